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

impl StoreError {
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
