//! What happened, by ever-growing number.

use crate::StoreError;
use model::Timestamp;
use model::event::{Action, Event, Subject};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

fn subject_columns(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Container(id) => ("container", id),
        Subject::Image(id) => ("image", id),
        Subject::Network(id) => ("network", id),
        Subject::Volume(name) => ("volume", name),
        Subject::Builder(name) => ("builder", name),
    }
}

/// Appends an event and gives it its number.
pub async fn append(
    db: &mut SqliteConnection,
    time: Timestamp,
    subject: Subject,
    action: Action,
    attributes: Vec<(String, String)>,
    labels: Vec<(String, String)>,
) -> Result<Event, StoreError> {
    let (kind, id) = subject_columns(&subject);
    let row = sqlx::query(
        "INSERT INTO events (time_ns, kind, subject, action, attributes, labels) VALUES (?, ?, ?, ?, ?, ?) \
         RETURNING seq",
    )
    .bind(time.as_unix_nanos())
    .bind(kind)
    .bind(id)
    .bind(action.word())
    .bind(serde_json::to_string(&attributes).expect("pairs of strings are JSON"))
    .bind(serde_json::to_string(&labels).expect("pairs of strings are JSON"))
    .fetch_one(db)
    .await?;
    Ok(Event {
        seq: row.get::<i64, _>(0) as u64,
        time,
        subject,
        action,
        attributes,
        labels,
    })
}

/// Events with a number above `after`, oldest first, at most `limit`.
pub async fn list_after(db: &mut SqliteConnection, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, time_ns, kind, subject, action, attributes, labels FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(after as i64)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The newest events, oldest of them first; of one subject where it is given.
pub async fn list_latest(
    db: &mut SqliteConnection,
    subject: Option<&str>,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM (SELECT seq, time_ns, kind, subject, action, attributes, labels FROM events
         WHERE ?1 IS NULL OR subject = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
    )
    .bind(subject)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Whether an event of the subject with this action and attribute is kept.
pub async fn is_told(
    db: &mut SqliteConnection,
    subject: &str,
    action: Action,
    (name, value): (&str, &str),
) -> Result<bool, StoreError> {
    // Attributes are a list of pairs in JSON.
    let pair = serde_json::to_string(&[name, value]).expect("strings are JSON");
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM events WHERE subject = ? AND action = ? AND instr(attributes, ?) > 0)",
    )
    .bind(subject)
    .bind(action.word())
    .bind(pair)
    .fetch_one(db)
    .await?;
    Ok(row.get(0))
}

/// The number of the newest event; 0 before the first.
pub async fn last_seq(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        .fetch_optional(db)
        .await?;
    Ok(row.map_or(0, |row| row.get::<i64, _>(0) as u64))
}

/// The time of the newest event, so that times only grow across a restart.
pub async fn last_time(db: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT time_ns FROM events ORDER BY seq DESC LIMIT 1")
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| Timestamp::from_unix_nanos(row.get(0))))
}

/// Keeps the newest `keep` events.
pub async fn trim(db: &mut SqliteConnection, keep: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM events WHERE seq <= (SELECT MAX(seq) FROM events) - ?")
        .bind(keep as i64)
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Event, StoreError> {
    let seq = row.get::<i64, _>("seq");
    let unreadable = |column, why: String| StoreError::unreadable("events", &seq.to_string(), column, why);
    let id: String = row.get("subject");
    let subject = match row.get::<&str, _>("kind") {
        "container" => Subject::Container(id),
        "image" => Subject::Image(id),
        "network" => Subject::Network(id),
        "volume" => Subject::Volume(id),
        "builder" => Subject::Builder(id),
        other => return Err(unreadable("kind", format!("`{other}`"))),
    };
    let word: &str = row.get("action");
    Ok(Event {
        seq: seq as u64,
        time: Timestamp::from_unix_nanos(row.get("time_ns")),
        subject,
        action: Action::parse(word).ok_or_else(|| unreadable("action", format!("`{word}`")))?,
        attributes: serde_json::from_str(row.get("attributes")).map_err(|e| unreadable("attributes", e.to_string()))?,
        labels: serde_json::from_str(row.get("labels")).map_err(|e| unreadable("labels", e.to_string()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn numbers_grow_and_are_never_used_again() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let mut seqs = Vec::new();
        for round in 0..3 {
            let subject = Subject::Container("c".into());
            let event = append(
                &mut tx,
                Timestamp::from_unix_nanos(round),
                subject,
                Action::Start,
                vec![("name".into(), "web".into())],
                vec![],
            )
            .await;
            seqs.push(event.expect("appends").seq);
            trim(&mut tx, 0).await.expect("trims");
        }
        assert_eq!(seqs, [1, 2, 3]);
        assert_eq!(last_seq(&mut tx).await.expect("reads"), 3);
    }

    #[tokio::test]
    async fn what_was_told_is_found_by_its_attribute() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let attributes = vec![("exec_id".into(), "e\"1".into()), ("exit_code".into(), "0".into())];
        let subject = Subject::Container("c".into());
        append(
            &mut tx,
            Timestamp::from_unix_nanos(1),
            subject,
            Action::ExecDie,
            attributes,
            vec![],
        )
        .await
        .expect("appends");
        for (subject, action, value, told) in [
            ("c", Action::ExecDie, "e\"1", true),
            ("c", Action::ExecDie, "e", false),
            ("c", Action::ExecStart, "e\"1", false),
            ("d", Action::ExecDie, "e\"1", false),
        ] {
            let found = is_told(&mut tx, subject, action, ("exec_id", value))
                .await
                .expect("reads");
            assert_eq!(found, told, "{subject} {action:?} {value}");
        }
    }

    #[tokio::test]
    async fn events_read_back_as_they_were_written() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        for action in Action::ALL {
            let written = append(
                &mut tx,
                Timestamp::default(),
                Subject::Image("i".into()),
                action,
                vec![("name".into(), "web".into())],
                vec![("app".into(), "web".into())],
            )
            .await
            .expect("appends");
            let read = list_after(&mut tx, written.seq - 1, 10).await.expect("reads");
            assert_eq!(read, [written.clone()]);
            assert_eq!(list_latest(&mut tx, Some("i"), 1).await.expect("reads"), [written]);
        }
    }
}
