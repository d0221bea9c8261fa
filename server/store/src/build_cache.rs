//! What the steps of builds made, by key.

use crate::StoreError;
use crate::images::{LayerRow, digest};
use model::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRow {
    /// 64 hexadecimal digits.
    pub key: String,
    /// The step, for people.
    pub title: String,
    pub created: Timestamp,
    pub used: Timestamp,
    pub uses: u64,
    /// Of its own layer, unpacked.
    pub size_bytes: u64,
    /// Whether it made a layer; else it changed no file.
    pub has_layer: bool,
    /// What its layer stands on, lowest first, with the layer itself; empty where it made none.
    pub layers: Vec<LayerRow>,
}

/// Remembers an outcome; one of the same key goes.
pub async fn put(db: &mut SqliteConnection, row: &CacheRow) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM build_cache WHERE key = ?")
        .bind(&row.key)
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO build_cache (key, title, created_ns, used_ns, uses, size_bytes, has_layer) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&row.key)
    .bind(&row.title)
    .bind(row.created.as_unix_nanos())
    .bind(row.used.as_unix_nanos())
    .bind(row.uses as i64)
    .bind(row.size_bytes as i64)
    .bind(row.has_layer)
    .execute(&mut *db)
    .await?;
    for (position, layer) in (0i64..).zip(&row.layers) {
        sqlx::query(
            "INSERT INTO build_cache_layers (key, position, digest, diff_id, chain_id, size_bytes, unpacked_bytes) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&row.key)
        .bind(position)
        .bind(layer.digest.as_str())
        .bind(layer.diff_id.as_str())
        .bind(layer.chain_id.as_str())
        .bind(layer.size_bytes as i64)
        .bind(layer.unpacked_bytes as i64)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

pub async fn find(db: &mut SqliteConnection, key: &str) -> Result<Option<CacheRow>, StoreError> {
    let Some(row) = sqlx::query("SELECT * FROM build_cache WHERE key = ?")
        .bind(key)
        .fetch_optional(&mut *db)
        .await?
    else {
        return Ok(None);
    };
    let layers = sqlx::query("SELECT * FROM build_cache_layers WHERE key = ? ORDER BY position")
        .bind(key)
        .fetch_all(db)
        .await?;
    read(&row, &layers).map(Some)
}

/// The least recently used first.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<CacheRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM build_cache ORDER BY used_ns, key")
        .fetch_all(&mut *db)
        .await?;
    let layers = sqlx::query("SELECT * FROM build_cache_layers ORDER BY key, position")
        .fetch_all(db)
        .await?;
    let mut of_key = std::collections::HashMap::<&str, Vec<&SqliteRow>>::new();
    for layer in &layers {
        of_key.entry(layer.get("key")).or_default().push(layer);
    }
    rows.iter()
        .map(|row| read(row, of_key.remove(row.get::<&str, _>("key")).unwrap_or_default()))
        .collect()
}

/// They were used at this time.
pub async fn touch(db: &mut SqliteConnection, keys: &[String], at: Timestamp) -> Result<(), StoreError> {
    for key in keys {
        sqlx::query("UPDATE build_cache SET used_ns = ?, uses = uses + 1 WHERE key = ?")
            .bind(at.as_unix_nanos())
            .bind(key)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub async fn remove(db: &mut SqliteConnection, key: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM build_cache WHERE key = ?")
        .bind(key)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

fn read<'r>(row: &SqliteRow, layers: impl IntoIterator<Item = &'r SqliteRow>) -> Result<CacheRow, StoreError> {
    let layer = |row: &SqliteRow| {
        Ok(LayerRow {
            digest: digest(row, "digest")?,
            diff_id: digest(row, "diff_id")?,
            chain_id: digest(row, "chain_id")?,
            size_bytes: row.get::<i64, _>("size_bytes") as u64,
            unpacked_bytes: row.get::<i64, _>("unpacked_bytes") as u64,
        })
    };
    Ok(CacheRow {
        key: row.get("key"),
        title: row.get("title"),
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        used: Timestamp::from_unix_nanos(row.get("used_ns")),
        uses: row.get::<i64, _>("uses") as u64,
        size_bytes: row.get::<i64, _>("size_bytes") as u64,
        has_layer: row.get("has_layer"),
        layers: layers.into_iter().map(layer).collect::<Result<_, StoreError>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tests::image;

    #[tokio::test]
    async fn an_outcome_reads_back_with_its_layers_and_goes_with_them() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let row = |key: &str, used: i64| CacheRow {
            key: key.to_owned(),
            title: "RUN x".to_owned(),
            created: Timestamp::from_unix_nanos(1),
            used: Timestamp::from_unix_nanos(used),
            uses: 0,
            size_bytes: 4,
            has_layer: true,
            layers: image("a").layers,
        };
        put(&mut tx, &row("k", 5)).await.expect("writes");
        put(&mut tx, &row("l", 3)).await.expect("writes");
        put(&mut tx, &row("k", 6)).await.expect("writes again");
        assert_eq!(find(&mut tx, "k").await.expect("reads"), Some(row("k", 6)));
        touch(&mut tx, &["l".to_owned()], Timestamp::from_unix_nanos(9))
            .await
            .expect("touches");
        let all = list(&mut tx).await.expect("lists");
        assert_eq!(all.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["k", "l"]);
        assert_eq!(all[1].uses, 1);
        assert!(remove(&mut tx, "k").await.expect("removes"));
        let left = sqlx::query("SELECT * FROM build_cache_layers WHERE key = 'k'")
            .fetch_all(&mut *tx)
            .await
            .expect("reads");
        assert!(left.is_empty());
    }
}
