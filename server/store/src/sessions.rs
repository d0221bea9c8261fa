//! Browsers that are signed in, by the SHA-256 of their secret.

use crate::StoreError;
use model::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub secret_hash: String,
    pub user_id: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub last_used: Timestamp,
    /// The client's, when it signed in.
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

pub async fn insert(db: &mut SqliteConnection, session: &Session) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (secret_hash, user_id, created_ns, expires_ns, last_used_ns, address, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&session.secret_hash)
    .bind(&session.user_id)
    .bind(session.created.as_unix_nanos())
    .bind(session.expires.as_unix_nanos())
    .bind(session.last_used.as_unix_nanos())
    .bind(&session.address)
    .bind(&session.user_agent)
    .execute(db)
    .await?;
    Ok(())
}

/// The session, unless it expired before `now`.
pub async fn find(db: &mut SqliteConnection, secret_hash: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query("SELECT * FROM sessions WHERE secret_hash = ? AND expires_ns > ?")
        .bind(secret_hash)
        .bind(now.as_unix_nanos())
        .fetch_optional(db)
        .await?;
    Ok(row.as_ref().map(read))
}

/// Those that did not expire before `now`, the newest first.
pub async fn list_of_user(
    db: &mut SqliteConnection,
    user_id: &str,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let rows = sqlx::query("SELECT * FROM sessions WHERE user_id = ? AND expires_ns > ? ORDER BY created_ns DESC")
        .bind(user_id)
        .bind(now.as_unix_nanos())
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(read).collect())
}

pub async fn record_use(db: &mut SqliteConnection, secret_hash: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET last_used_ns = ? WHERE secret_hash = ?")
        .bind(at.as_unix_nanos())
        .bind(secret_hash)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn remove(db: &mut SqliteConnection, secret_hash: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE secret_hash = ?")
        .bind(secret_hash)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn remove_of_user(db: &mut SqliteConnection, user_id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE user_id = ?")
        .bind(user_id)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn remove_expired(db: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE expires_ns <= ?")
        .bind(now.as_unix_nanos())
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Session {
    Session {
        secret_hash: row.get("secret_hash"),
        user_id: row.get("user_id"),
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        expires: Timestamp::from_unix_nanos(row.get("expires_ns")),
        last_used: Timestamp::from_unix_nanos(row.get("last_used_ns")),
        address: row.get("address"),
        user_agent: row.get("user_agent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_expired_session_is_not_found() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        crate::users::insert(&mut tx, &crate::users::tests::ada())
            .await
            .expect("inserts");
        let at = Timestamp::from_unix_nanos;
        let session = Session {
            secret_hash: "h".into(),
            user_id: "u1".into(),
            created: at(1),
            expires: at(10),
            last_used: at(1),
            address: None,
            user_agent: Some("a browser".into()),
        };
        insert(&mut tx, &session).await.expect("inserts");
        assert_eq!(find(&mut tx, "h", at(9)).await.expect("reads"), Some(session));
        assert_eq!(find(&mut tx, "h", at(10)).await.expect("reads"), None);
        remove_expired(&mut tx, at(10)).await.expect("removes");
        assert_eq!(find(&mut tx, "h", at(1)).await.expect("reads"), None);
    }
}
