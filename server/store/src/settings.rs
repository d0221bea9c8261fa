//! What was chosen at the first start and is kept.

use crate::StoreError;
use sqlx::{Row as _, SqliteConnection};

pub async fn find(db: &mut SqliteConnection, key: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT value FROM settings WHERE key = ?")
        .bind(key)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.get(0)))
}

pub async fn set(db: &mut SqliteConnection, key: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_setting_is_kept_and_replaced() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        assert_eq!(super::find(&mut tx, "subnet").await.expect("reads"), None);
        super::set(&mut tx, "subnet", "a").await.expect("writes");
        super::set(&mut tx, "subnet", "b").await.expect("writes");
        assert_eq!(
            super::find(&mut tx, "subnet").await.expect("reads").as_deref(),
            Some("b")
        );
    }
}
