//! Named places for data that outlive containers.

use crate::StoreError;
use model::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub created: Timestamp,
    pub anonymous: bool,
    pub labels: Vec<(String, String)>,
}

pub async fn insert(db: &mut SqliteConnection, volume: &Volume) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO volumes (name, created_ns, anonymous, labels) VALUES (?, ?, ?, ?)")
        .bind(&volume.name)
        .bind(volume.created.as_unix_nanos())
        .bind(volume.anonymous)
        .bind(serde_json::to_string(&volume.labels).expect("pairs of strings are JSON"))
        .execute(db)
        .await
        .map_err(|error| StoreError::taken(error, "volume name", &volume.name))?;
    Ok(())
}

pub async fn find(db: &mut SqliteConnection, name: &str) -> Result<Option<Volume>, StoreError> {
    let row = sqlx::query("SELECT * FROM volumes WHERE name = ?")
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

pub async fn list(db: &mut SqliteConnection) -> Result<Vec<Volume>, StoreError> {
    sqlx::query("SELECT * FROM volumes ORDER BY name")
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Whether there was one to remove.
pub async fn remove(db: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM volumes WHERE name = ?")
        .bind(name)
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn read(row: &SqliteRow) -> Result<Volume, StoreError> {
    let name: String = row.get("name");
    let labels =
        serde_json::from_str(row.get("labels")).map_err(|e| StoreError::unreadable("volumes", &name, "labels", e))?;
    Ok(Volume {
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        anonymous: row.get("anonymous"),
        labels,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_volume_is_kept_once_and_removed() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let volume = Volume {
            name: "data".into(),
            created: Timestamp::from_unix_nanos(5),
            anonymous: false,
            labels: vec![("a".into(), "b".into())],
        };
        insert(&mut tx, &volume).await.expect("inserts");
        assert!(matches!(insert(&mut tx, &volume).await, Err(StoreError::Taken { .. })));
        assert_eq!(list(&mut tx).await.expect("lists"), [volume.clone()]);
        assert!(remove(&mut tx, "data").await.expect("removes"));
        assert_eq!(find(&mut tx, "data").await.expect("reads"), None);
    }
}
