use crate::StoreError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, Sqlite};
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// A transaction that writes. Dropped without commit, it never happened.
pub type Transaction = sqlx::Transaction<'static, Sqlite>;

/// The one database of a server: a writing connection and a few that read.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// `gantry token` writes beside a running server; both wait this long for the other.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

impl Database {
    /// Opens or makes the file and brings it up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_file(path, None).await.map_err(|error| error.of_file(path))
    }

    /// [`Database::open`] for this process alone, without a file that is mapped.
    pub async fn open_alone(path: &Path) -> Result<Self, StoreError> {
        // <https://sqlite.org/vfs.html>, "Multiple VFSes"
        Self::open_file(path, Some("unix-excl"))
            .await
            .map_err(|error| error.of_file(path))
    }

    async fn open_file(path: &Path, vfs: Option<&'static str>) -> Result<Self, StoreError> {
        let mut options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        if let Some(vfs) = vfs {
            options = options.vfs(vfs);
        }
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(open)?;
        migrate(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(READERS)
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Self { writer, readers })
    }

    /// Waits for the writing connection; there is one, so keep it short.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        match self.begin_once().await {
            Ok(transaction) => Ok(transaction),
            Err(_) => {
                // When the disk is full SQLite itself takes a transaction back. The
                // connection counts it as under way still and begins none any more:
                // another one takes its place.
                self.writer.acquire().await?.close().await?;
                self.begin_once().await
            }
        }
    }

    async fn begin_once(&self) -> Result<Transaction, StoreError> {
        // IMMEDIATE takes the write lock now: a later upgrade could fail with SQLITE_BUSY at once.
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A connection that only reads, and sees what was committed.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, title, sql)| {
            Migration::new(
                *version,
                Cow::Borrowed(*title),
                MigrationType::Simple,
                AssertSqlSafe(*sql).into_sql_str(),
                false,
            )
        })
        .collect();
    match Migrator::with_migrations(migrations).run(pool).await {
        Err(sqlx::migrate::MigrateError::VersionMissing(version)) => Err(StoreError::Newer(version)),
        other => Ok(other?),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database of one test's own; the folder goes with the guard.
    pub(crate) async fn scratch() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::open(&folder.path().join("gantry.db")).await.expect("opens");
        (folder, database)
    }

    #[tokio::test]
    async fn opening_twice_changes_nothing() {
        let (folder, first) = scratch().await;
        first.close().await;
        Database::open(&folder.path().join("gantry.db"))
            .await
            .expect("opens again");
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused_in_words() {
        let (folder, database) = scratch().await;
        let mut tx = database.begin().await.expect("begins");
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)")
            .execute(&mut *tx)
            .await
            .expect("inserts");
        tx.commit().await.expect("commits");
        database.close().await;
        let refused = Database::open(&folder.path().join("gantry.db"))
            .await
            .expect_err("is newer");
        assert!(matches!(refused, StoreError::Newer(9999)), "{refused}");
    }

    #[tokio::test]
    async fn a_database_of_one_process_alone_maps_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gantry.db");
        let database = Database::open_alone(&path).await.expect("opens");
        let mut tx = database.begin().await.expect("begins");
        crate::settings::set(&mut tx, "a", "b").await.expect("writes");
        tx.commit().await.expect("commits");
        let mut reader = database.read().await.expect("reads");
        let found = crate::settings::find(&mut reader, "a").await.expect("reads");
        assert_eq!(found.as_deref(), Some("b"));
        assert!(!folder.path().join("gantry.db-shm").exists());
    }

    #[tokio::test]
    async fn what_a_full_disk_refused_is_written_once_there_is_room() {
        let (_folder, database) = scratch().await;
        let fill = "INSERT INTO settings (key, value) VALUES ('large', hex(zeroblob(4000000)))";
        // The limit is the connection's own and stands for the end of the disk.
        let mut tx = database.begin().await.expect("begins");
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&mut *tx)
            .await
            .expect("limits");
        sqlx::query(fill).execute(&mut *tx).await.expect_err("there is no room");
        drop(tx);
        for _ in 0..3 {
            let mut tx = database.begin().await.expect("begins again");
            sqlx::query("DELETE FROM settings")
                .execute(&mut *tx)
                .await
                .expect("writes");
            sqlx::query(fill).execute(&mut *tx).await.expect("there is room");
            tx.commit().await.expect("commits");
        }
    }
}
