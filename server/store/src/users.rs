//! People who may sign in. What a role may do is `access`'s knowledge.

use crate::StoreError;
use model::Timestamp;
use model::role::Role;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub name: String,
    /// argon2id in PHC form.
    pub password_hash: String,
    pub role: Role,
    pub created: Timestamp,
}

pub async fn insert(db: &mut SqliteConnection, user: &User) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO users (id, name, password_hash, role, created_ns) VALUES (?, ?, ?, ?, ?)")
        .bind(&user.id)
        .bind(&user.name)
        .bind(&user.password_hash)
        .bind(user.role.word())
        .bind(user.created.as_unix_nanos())
        .execute(db)
        .await
        .map_err(|error| StoreError::taken(error, "user name", &user.name))?;
    Ok(())
}

/// Upper and lower case are the same, as names are compared when users are made.
pub async fn find_by_name(db: &mut SqliteConnection, name: &str) -> Result<Option<User>, StoreError> {
    // Databases of earlier versions may have two that differ in case.
    sqlx::query("SELECT * FROM users WHERE name = ?1 COLLATE NOCASE ORDER BY name = ?1 DESC, name LIMIT 1")
        .bind(name)
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub async fn find(db: &mut SqliteConnection, id: &str) -> Result<Option<User>, StoreError> {
    sqlx::query("SELECT * FROM users WHERE id = ?")
        .bind(id)
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub async fn list(db: &mut SqliteConnection) -> Result<Vec<User>, StoreError> {
    sqlx::query("SELECT * FROM users ORDER BY name")
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

pub async fn count(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    Ok(sqlx::query("SELECT COUNT(*) FROM users")
        .fetch_one(db)
        .await?
        .get::<i64, _>(0) as u64)
}

pub async fn set_password(db: &mut SqliteConnection, id: &str, password_hash: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
        .bind(password_hash)
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn set_role(db: &mut SqliteConnection, id: &str, role: Role) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET role = ? WHERE id = ?")
        .bind(role.word())
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// When a session or token of the user was used last, as far as is kept.
pub async fn last_seen(db: &mut SqliteConnection, id: &str) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query(
        "SELECT MAX(at) FROM (SELECT last_used_ns AS at FROM sessions WHERE user_id = ?1
                              UNION ALL SELECT last_used_ns FROM tokens WHERE user_id = ?1)",
    )
    .bind(id)
    .fetch_one(db)
    .await?;
    Ok(row.get::<Option<i64>, _>(0).map(Timestamp::from_unix_nanos))
}

/// Whether there was one to remove; sessions and tokens go with it.
pub async fn remove(db: &mut SqliteConnection, id: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM users WHERE id = ?")
        .bind(id)
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn read(row: &SqliteRow) -> Result<User, StoreError> {
    let id: String = row.get("id");
    let word: &str = row.get("role");
    let role = Role::parse(word);
    Ok(User {
        name: row.get("name"),
        password_hash: row.get("password_hash"),
        role: role.ok_or_else(|| StoreError::unreadable("users", &id, "role", format!("`{word}`")))?,
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        id,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn ada() -> User {
        User {
            id: "u1".into(),
            name: "ada".into(),
            password_hash: "x".into(),
            role: Role::Admin,
            created: Timestamp::from_unix_nanos(1),
        }
    }

    #[tokio::test]
    async fn a_user_is_found_by_name_and_id() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        assert_eq!(count(&mut tx).await.expect("counts"), 0);
        insert(&mut tx, &ada()).await.expect("inserts");
        assert!(matches!(
            insert(
                &mut tx,
                &User {
                    id: "u2".into(),
                    ..ada()
                }
            )
            .await,
            Err(StoreError::Taken { .. })
        ));
        set_password(&mut tx, "u1", "y").await.expect("writes");
        let wanted = User {
            password_hash: "y".into(),
            ..ada()
        };
        for name in ["ada", "ADA"] {
            assert_eq!(find_by_name(&mut tx, name).await.expect("reads"), Some(wanted.clone()));
        }
        assert_eq!(find_by_name(&mut tx, "ad_").await.expect("reads"), None);
        assert_eq!(find(&mut tx, "u1").await.expect("reads"), Some(wanted));
        assert!(remove(&mut tx, "u1").await.expect("removes"));
        assert_eq!(list(&mut tx).await.expect("lists"), []);
    }
}
