use sqlx::migrate::MigrateError;

/// What can go wrong between a value and its row.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{what} `{value}` is taken")]
    Taken { what: &'static str, value: String },
    #[error("row `{row}` of table {table} cannot be read: {column} is {why}")]
    Unreadable {
        table: &'static str,
        row: String,
        column: &'static str,
        why: String,
    },
    #[error("the database was made by a newer Gantry (migration {0}); start that version, or restore an older copy")]
    Newer(i64),
    #[error(
        "the database `{path}` is damaged ({why}): restore it from a backup, or move it and its `-wal` file away and \
         make the rows of the containers again with `gantry rebuild`"
    )]
    Damaged { path: std::path::PathBuf, why: String },
    #[error("cannot open the database `{path}`")]
    Open {
        path: std::path::PathBuf,
        source: sqlx::Error,
    },
    #[error("cannot bring the database up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database refused a statement")]
    Statement(#[from] sqlx::Error),
}

/// Primary result codes. <https://sqlite.org/rescode.html>
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;
/// SQLITE_IOERR_WRITE, of a quota, and SQLITE_IOERR_SHMSIZE.
const IO_ERRORS_OF_A_FULL_DISK: [i32; 2] = [778, 4874];

impl StoreError {
    /// There is no room on the disk.
    pub fn is_full(&self) -> bool {
        match self.sql().and_then(code) {
            Some(code) => code & 0xff == SQLITE_FULL || IO_ERRORS_OF_A_FULL_DISK.contains(&code),
            None => false,
        }
    }

    /// What is in the file is not, or is not any more, a database.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
            || matches!(self.sql().and_then(primary_code), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
    }

    /// The same error, where it is damage with the file and what to do.
    #[must_use]
    pub fn of_file(self, path: &std::path::Path) -> Self {
        if !self.is_damage() {
            return self;
        }
        let why = match self.sql() {
            Some(sqlx::Error::Database(error)) => error.message().to_owned(),
            _ => self.to_string(),
        };
        Self::Damaged {
            path: path.to_owned(),
            why,
        }
    }

    fn sql(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Open { source, .. } | Self::Statement(source) => Some(source),
            Self::Migrate(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => Some(source),
            _ => None,
        }
    }

    pub(crate) fn unreadable(
        table: &'static str,
        row: &str,
        column: &'static str,
        why: impl std::fmt::Display,
    ) -> Self {
        Self::Unreadable {
            table,
            row: row.to_owned(),
            column,
            why: why.to_string(),
        }
    }

    /// Turns a broken uniqueness into a sentence; other errors stay.
    pub(crate) fn taken(error: sqlx::Error, what: &'static str, value: &str) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Taken {
                what,
                value: value.to_owned(),
            },
            _ => Self::Statement(error),
        }
    }
}

/// The extended code, which has the primary one in its low byte.
fn code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    error.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    code(error).map(|code| code & 0xff)
}
