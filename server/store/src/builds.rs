//! Builds: those under way, and those that are over.

use crate::StoreError;
use crate::form::build;
use model::Timestamp;
use model::image::Digest;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// A build as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// The id of its task.
    pub id: String,
    pub owner: Option<String>,
    pub state: BuildState,
    pub image: Option<Digest>,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub details: BuildDetails,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    Running,
    Done,
    Failed,
    Cancelled,
    /// The server went away in the middle of it.
    Lost,
}

impl BuildState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Lost];
        all.into_iter().find(|state| state.word() == word)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepState {
    #[default]
    Waiting,
    Running,
    /// Its result was in the build cache.
    Cached,
    Done,
    Failed,
    /// It was running when the build was cancelled.
    Cancelled,
}

impl StepState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Cached => "cached",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Waiting,
            Self::Running,
            Self::Cached,
            Self::Done,
            Self::Failed,
            Self::Cancelled,
        ];
        all.into_iter().find(|state| state.word() == word)
    }
}

/// What only people read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildDetails {
    /// The Dockerfile's name.
    pub file: String,
    /// Its text.
    pub dockerfile: String,
    /// Of the image, unpacked.
    pub size_bytes: Option<u64>,
    /// Names it was to get.
    pub tags: Vec<String>,
    pub target: Option<String>,
    pub steps: Vec<StepRow>,
    /// Line and words.
    pub warnings: Vec<(u32, String)>,
    pub error: Option<String>,
    pub log_lines: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepRow {
    /// The stage's name or number.
    pub stage: String,
    pub keyword: String,
    pub text: String,
    pub first_line: u32,
    pub last_line: u32,
    pub state: StepState,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub error: Option<String>,
    /// The layer it made, and its size.
    pub layer: Option<(Digest, u64)>,
    pub exit_code: Option<i32>,
}

/// Adds a build, or brings its row up to date.
pub async fn put(db: &mut SqliteConnection, row: &BuildRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO builds (id, owner, state, image_id, started_ns, ended_ns, details) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, image_id = excluded.image_id,
           ended_ns = excluded.ended_ns, details = excluded.details",
    )
    .bind(&row.id)
    .bind(&row.owner)
    .bind(row.state.word())
    .bind(row.image.as_ref().map(Digest::as_str))
    .bind(row.started.as_unix_nanos())
    .bind(row.ended.map(Timestamp::as_unix_nanos))
    .bind(build::write(&row.details))
    .execute(db)
    .await?;
    Ok(())
}

pub async fn find(db: &mut SqliteConnection, id: &str) -> Result<Option<BuildRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM builds WHERE id = ?")
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// The newest first, at most `limit`.
pub async fn list(db: &mut SqliteConnection, limit: u32) -> Result<Vec<BuildRow>, StoreError> {
    sqlx::query("SELECT * FROM builds ORDER BY started_ns DESC, id DESC LIMIT ?")
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// What was under way when the server went is lost.
pub async fn lose_running(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let done = sqlx::query("UPDATE builds SET state = 'lost' WHERE state = 'running'")
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

/// Forgets all but the newest `keep`; their ids.
pub async fn trim(db: &mut SqliteConnection, keep: u32) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "DELETE FROM builds WHERE state != 'running' AND id NOT IN
           (SELECT id FROM builds ORDER BY started_ns DESC, id DESC LIMIT ?) RETURNING id",
    )
    .bind(keep)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// Whether there was one to remove that is over.
pub async fn remove(db: &mut SqliteConnection, id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM builds WHERE id = ? AND state != 'running'")
        .bind(id)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

fn read(row: &SqliteRow) -> Result<BuildRow, StoreError> {
    let id: String = row.get("id");
    let unreadable = |column: &'static str, why: String| StoreError::unreadable("builds", &id, column, why);
    let image: Option<&str> = row.get("image_id");
    let image = image.map(|text| Digest::parse(text).map_err(|error| unreadable("image_id", error.to_string())));
    Ok(BuildRow {
        owner: row.get("owner"),
        state: BuildState::parse(row.get("state")).ok_or_else(|| unreadable("state", "no such state".to_owned()))?,
        image: image.transpose()?,
        started: Timestamp::from_unix_nanos(row.get("started_ns")),
        ended: row.get::<Option<i64>, _>("ended_ns").map(Timestamp::from_unix_nanos),
        details: build::read(row.get("details")).map_err(|why| unreadable("details", why))?,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, state: BuildState, started: i64) -> BuildRow {
        BuildRow {
            id: id.to_owned(),
            owner: Some("ada".to_owned()),
            state,
            image: None,
            started: Timestamp::from_unix_nanos(started),
            ended: None,
            details: BuildDetails {
                file: "Dockerfile".to_owned(),
                tags: vec!["a:1".to_owned()],
                steps: vec![StepRow {
                    keyword: "RUN".to_owned(),
                    started: Some(Timestamp::from_unix_nanos(5)),
                    layer: Some((crate::images::tests::image("a").id, 7)),
                    ..StepRow::default()
                }],
                warnings: vec![(3, "x".to_owned())],
                ..BuildDetails::default()
            },
        }
    }

    #[tokio::test]
    async fn builds_read_back_are_trimmed_and_lost_with_the_server() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        for (id, state, started) in [
            ("a", BuildState::Done, 1),
            ("b", BuildState::Running, 2),
            ("c", BuildState::Failed, 3),
        ] {
            put(&mut tx, &row(id, state, started)).await.expect("writes");
        }
        assert_eq!(
            find(&mut tx, "a").await.expect("reads"),
            Some(row("a", BuildState::Done, 1))
        );
        assert_eq!(lose_running(&mut tx).await.expect("loses"), 1);
        assert_eq!(trim(&mut tx, 2).await.expect("trims"), ["a"]);
        let left = list(&mut tx, 10).await.expect("lists");
        assert_eq!(
            left.iter().map(|row| row.state).collect::<Vec<_>>(),
            [BuildState::Failed, BuildState::Lost]
        );
        assert!(remove(&mut tx, "c").await.expect("removes"));
        assert!(!remove(&mut tx, "c").await.expect("is gone"));
    }
}
