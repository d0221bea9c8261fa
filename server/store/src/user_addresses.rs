//! Addresses that users signed in from.

use crate::StoreError;
use model::Timestamp;
use sqlx::SqliteConnection;

/// Adds the address, or notes that it was used again; of each user the newest `keep` stay.
pub async fn put(
    db: &mut SqliteConnection,
    user_id: &str,
    address: &str,
    at: Timestamp,
    keep: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO user_addresses (user_id, address, last_used_ns) VALUES (?, ?, ?)
         ON CONFLICT (user_id, address) DO UPDATE SET last_used_ns = excluded.last_used_ns",
    )
    .bind(user_id)
    .bind(address)
    .bind(at.as_unix_nanos())
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM user_addresses WHERE user_id = ?1 AND address NOT IN
           (SELECT address FROM user_addresses WHERE user_id = ?1 ORDER BY last_used_ns DESC LIMIT ?2)",
    )
    .bind(user_id)
    .bind(keep)
    .execute(db)
    .await?;
    Ok(())
}

pub async fn contains(db: &mut SqliteConnection, user_id: &str, address: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM user_addresses WHERE user_id = ? AND address = ?")
        .bind(user_id)
        .bind(address)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_addresses_of_a_user_are_kept_until_the_user_is_removed() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        crate::users::insert(&mut tx, &crate::users::tests::ada())
            .await
            .expect("inserts");
        for (address, at) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            put(&mut tx, "u1", address, Timestamp::from_unix_nanos(at), 2)
                .await
                .expect("writes");
        }
        let mut kept = Vec::new();
        for address in ["a", "b", "c"] {
            kept.push(contains(&mut tx, "u1", address).await.expect("reads"));
        }
        assert_eq!(kept, [true, false, true]);
        crate::users::remove(&mut tx, "u1").await.expect("removes");
        assert!(!contains(&mut tx, "u1", "a").await.expect("reads"));
    }
}
