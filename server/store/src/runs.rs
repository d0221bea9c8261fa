//! Each start of a container: where its log begins and how it ended.

use crate::StoreError;
use crate::form::stopped_by;
use model::Timestamp;
use model::container::{ContainerId, StoppedBy};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub run: u64,
    /// Number of the first log record of this run.
    pub first_line: u64,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// As a shell tells it; `None` while it runs or when nobody knows.
    pub exit_code: Option<i32>,
    pub oom_killed: bool,
    /// Who asked for its end.
    pub stopped_by: Option<StoppedBy>,
}

pub async fn insert(db: &mut SqliteConnection, container: &ContainerId, run: &Run) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO runs (container_id, run, first_line, started_ns, ended_ns, exit_code, oom_killed, stopped_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (container_id, run) DO NOTHING",
    )
    .bind(container.as_str())
    .bind(run.run as i64)
    .bind(run.first_line as i64)
    .bind(run.started.as_unix_nanos())
    .bind(run.ended.map(Timestamp::as_unix_nanos))
    .bind(run.exit_code)
    .bind(run.oom_killed)
    .bind(run.stopped_by.as_ref().map(stopped_by::write))
    .execute(db)
    .await?;
    Ok(())
}

/// Records how a run ended; doing it twice changes nothing.
pub async fn record_end(
    db: &mut SqliteConnection,
    container: &ContainerId,
    run: u64,
    at: Timestamp,
    exit_code: Option<i32>,
    oom_killed: bool,
    by: Option<&StoppedBy>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET ended_ns = ?, exit_code = ?, oom_killed = ?, stopped_by = ? WHERE container_id = ? AND run = ? AND ended_ns IS NULL")
        .bind(at.as_unix_nanos())
        .bind(exit_code)
        .bind(oom_killed)
        .bind(by.map(stopped_by::write))
        .bind(container.as_str())
        .bind(run as i64)
        .execute(db)
        .await?;
    Ok(())
}

/// Oldest first.
pub async fn list(db: &mut SqliteConnection, container: &ContainerId) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query("SELECT * FROM runs WHERE container_id = ? ORDER BY run")
        .bind(container.as_str())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Run, StoreError> {
    let stopped_by = row.get::<Option<&str>, _>("stopped_by").map(stopped_by::read);
    let unreadable = |why| StoreError::unreadable("runs", row.get("container_id"), "stopped_by", why);
    Ok(Run {
        run: row.get::<i64, _>("run") as u64,
        first_line: row.get::<i64, _>("first_line") as u64,
        started: Timestamp::from_unix_nanos(row.get("started_ns")),
        ended: row.get::<Option<i64>, _>("ended_ns").map(Timestamp::from_unix_nanos),
        exit_code: row.get("exit_code"),
        oom_killed: row.get("oom_killed"),
        stopped_by: stopped_by.transpose().map_err(unreadable)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::tests::record;

    #[tokio::test]
    async fn an_end_is_recorded_once() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let container = record("web");
        crate::containers::insert(&mut tx, &container).await.expect("inserts");
        let at = Timestamp::from_unix_nanos;
        let run = Run {
            run: 1,
            first_line: 0,
            started: at(1),
            ended: None,
            exit_code: None,
            oom_killed: false,
            stopped_by: None,
        };
        let by = StoppedBy::User("ann".to_owned());
        insert(&mut tx, &container.id, &run).await.expect("inserts");
        record_end(&mut tx, &container.id, 1, at(5), Some(137), true, Some(&by))
            .await
            .expect("records");
        record_end(&mut tx, &container.id, 1, at(9), Some(0), false, None)
            .await
            .expect("records");
        let ended = Run {
            ended: Some(at(5)),
            exit_code: Some(137),
            oom_killed: true,
            stopped_by: Some(by),
            ..run
        };
        assert_eq!(list(&mut tx, &container.id).await.expect("lists"), [ended]);
    }
}
