//! Secrets of programs, by their SHA-256.

use crate::StoreError;
use model::Timestamp;
use model::role::Role;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    pub secret_hash: String,
    pub user_id: String,
    /// What its owner calls it.
    pub name: String,
    /// At most the owner's.
    pub role: Role,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
}

pub async fn insert(db: &mut SqliteConnection, token: &Token) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tokens (id, secret_hash, user_id, name, role, created_ns, expires_ns) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(&token.id)
        .bind(&token.secret_hash)
        .bind(&token.user_id)
        .bind(&token.name)
        .bind(token.role.word())
        .bind(token.created.as_unix_nanos())
        .bind(token.expires.map(Timestamp::as_unix_nanos))
        .execute(db)
        .await?;
    Ok(())
}

/// The token, unless it expired before `now`.
pub async fn find_by_secret(
    db: &mut SqliteConnection,
    secret_hash: &str,
    now: Timestamp,
) -> Result<Option<Token>, StoreError> {
    let row = sqlx::query("SELECT * FROM tokens WHERE secret_hash = ? AND (expires_ns IS NULL OR expires_ns > ?)")
        .bind(secret_hash)
        .bind(now.as_unix_nanos())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

pub async fn list_of_user(db: &mut SqliteConnection, user_id: &str) -> Result<Vec<Token>, StoreError> {
    sqlx::query("SELECT * FROM tokens WHERE user_id = ? ORDER BY created_ns")
        .bind(user_id)
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

pub async fn record_use(db: &mut SqliteConnection, id: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE tokens SET last_used_ns = ? WHERE id = ?")
        .bind(at.as_unix_nanos())
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether `user_id` had such a token.
pub async fn remove(db: &mut SqliteConnection, id: &str, user_id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM tokens WHERE id = ? AND user_id = ?")
        .bind(id)
        .bind(user_id)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub async fn remove_of_user(db: &mut SqliteConnection, user_id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tokens WHERE user_id = ?")
        .bind(user_id)
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Token, StoreError> {
    let id: String = row.get("id");
    let word: &str = row.get("role");
    let role = Role::parse(word);
    Ok(Token {
        secret_hash: row.get("secret_hash"),
        user_id: row.get("user_id"),
        name: row.get("name"),
        role: role.ok_or_else(|| StoreError::unreadable("tokens", &id, "role", format!("`{word}`")))?,
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        expires: row.get::<Option<i64>, _>("expires_ns").map(Timestamp::from_unix_nanos),
        last_used: row
            .get::<Option<i64>, _>("last_used_ns")
            .map(Timestamp::from_unix_nanos),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_found_by_secret_until_it_expires() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        crate::users::insert(&mut tx, &crate::users::tests::ada())
            .await
            .expect("inserts");
        let at = Timestamp::from_unix_nanos;
        let token = Token {
            id: "t".into(),
            secret_hash: "h".into(),
            user_id: "u1".into(),
            name: "ci".into(),
            role: Role::Operator,
            created: at(1),
            expires: Some(at(10)),
            last_used: None,
        };
        insert(&mut tx, &token).await.expect("inserts");
        record_use(&mut tx, "t", at(5)).await.expect("writes");
        let used = Token {
            last_used: Some(at(5)),
            ..token
        };
        assert_eq!(
            find_by_secret(&mut tx, "h", at(9)).await.expect("reads"),
            Some(used.clone())
        );
        assert_eq!(find_by_secret(&mut tx, "h", at(10)).await.expect("reads"), None);
        assert_eq!(list_of_user(&mut tx, "u1").await.expect("lists"), [used]);
        assert!(!remove(&mut tx, "t", "someone else").await.expect("removes"));
        assert!(remove(&mut tx, "t", "u1").await.expect("removes"));
    }
}
