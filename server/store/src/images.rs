//! Images on this host and the layers they stand on.

use crate::StoreError;
use model::Timestamp;
use model::image::Digest;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Digest of the config.
    pub id: Digest,
    pub manifest: Digest,
    /// When it was built, where the config says so.
    pub created: Option<Timestamp>,
    /// When it came to this host.
    pub added: Timestamp,
    /// When a container was last started from it.
    pub used: Option<Timestamp>,
    pub size_bytes: u64,
    /// Lowest first.
    pub layers: Vec<LayerRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    pub digest: Digest,
    pub diff_id: Digest,
    pub chain_id: Digest,
    /// As the registry has it.
    pub size_bytes: u64,
    pub unpacked_bytes: u64,
}

/// Adds an image, or brings the row of the same id up to date. One that was marked as
/// removed is back.
pub async fn put(db: &mut SqliteConnection, image: &ImageRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO images (id, manifest, created_ns, added_ns, size_bytes) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest, size_bytes = excluded.size_bytes, removed_ns = NULL",
    )
    .bind(image.id.as_str())
    .bind(image.manifest.as_str())
    .bind(image.created.map(Timestamp::as_unix_nanos))
    .bind(image.added.as_unix_nanos())
    .bind(image.size_bytes as i64)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM image_layers WHERE image_id = ?")
        .bind(image.id.as_str())
        .execute(&mut *db)
        .await?;
    for (position, layer) in (0i64..).zip(&image.layers) {
        sqlx::query(
            "INSERT INTO image_layers (image_id, position, digest, diff_id, chain_id, size_bytes, unpacked_bytes) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(image.id.as_str())
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

/// Also one that is marked as removed.
pub async fn find(db: &mut SqliteConnection, id: &Digest) -> Result<Option<ImageRow>, StoreError> {
    let Some(row) = sqlx::query("SELECT * FROM images WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *db)
        .await?
    else {
        return Ok(None);
    };
    let layers = sqlx::query("SELECT * FROM image_layers WHERE image_id = ? ORDER BY position")
        .bind(id.as_str())
        .fetch_all(db)
        .await?;
    read(&row, &layers).map(Some)
}

/// Notes that a container uses it.
pub async fn mark_used(db: &mut SqliteConnection, id: &Digest, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE images SET used_ns = ? WHERE id = ?")
        .bind(at.as_unix_nanos())
        .bind(id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Hides an image that containers still need, and takes its references away.
pub async fn mark_removed(db: &mut SqliteConnection, id: &Digest, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE images SET removed_ns = ? WHERE id = ?")
        .bind(at.as_unix_nanos())
        .bind(id.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Whether the image is here and not marked as removed.
pub async fn is_listed(db: &mut SqliteConnection, id: &Digest) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT id FROM images WHERE id = ? AND removed_ns IS NULL")
        .bind(id.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// Removes the rows of images that are marked as removed and have no container any more;
/// whether there were any.
pub async fn forget_removed(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    let unused = "DELETE FROM images WHERE removed_ns IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM containers WHERE containers.image_id = images.id)";
    Ok(sqlx::query(unused).execute(db).await?.rows_affected() > 0)
}

/// Ids that begin with `hex`, at most two: enough to tell unique from ambiguous.
pub async fn find_by_prefix(db: &mut SqliteConnection, hex: &str) -> Result<Vec<Digest>, StoreError> {
    let rows = sqlx::query("SELECT id FROM images WHERE substr(id, 8, length(?1)) = ?1 AND removed_ns IS NULL LIMIT 2")
        .bind(hex)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| digest(row, "id")).collect()
}

/// Newest on this host first, without those that are marked as removed.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<ImageRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM images WHERE removed_ns IS NULL ORDER BY added_ns DESC, id")
        .fetch_all(&mut *db)
        .await?;
    with_layers(db, &rows).await
}

/// All whose layers are needed, also those that are marked as removed.
pub async fn list_all(db: &mut SqliteConnection) -> Result<Vec<ImageRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM images ORDER BY added_ns DESC, id")
        .fetch_all(&mut *db)
        .await?;
    with_layers(db, &rows).await
}

async fn with_layers(db: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<Vec<ImageRow>, StoreError> {
    let layers = sqlx::query("SELECT * FROM image_layers ORDER BY image_id, position")
        .fetch_all(db)
        .await?;
    let mut of_image = std::collections::HashMap::<&str, Vec<&SqliteRow>>::new();
    for layer in &layers {
        of_image.entry(layer.get("image_id")).or_default().push(layer);
    }
    rows.iter()
        .map(|row| read(row, of_image.remove(row.get::<&str, _>("id")).unwrap_or_default()))
        .collect()
}

/// Whether there was one to remove; its layers' rows and tags go with it.
pub async fn remove(db: &mut SqliteConnection, id: &Digest) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM images WHERE id = ?")
        .bind(id.as_str())
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn read<'r>(row: &SqliteRow, layers: impl IntoIterator<Item = &'r SqliteRow>) -> Result<ImageRow, StoreError> {
    let layer = |row: &SqliteRow| {
        Ok(LayerRow {
            digest: digest(row, "digest")?,
            diff_id: digest(row, "diff_id")?,
            chain_id: digest(row, "chain_id")?,
            size_bytes: row.get::<i64, _>("size_bytes") as u64,
            unpacked_bytes: row.get::<i64, _>("unpacked_bytes") as u64,
        })
    };
    Ok(ImageRow {
        id: digest(row, "id")?,
        manifest: digest(row, "manifest")?,
        created: row.get::<Option<i64>, _>("created_ns").map(Timestamp::from_unix_nanos),
        added: Timestamp::from_unix_nanos(row.get("added_ns")),
        used: row.get::<Option<i64>, _>("used_ns").map(Timestamp::from_unix_nanos),
        size_bytes: row.get::<i64, _>("size_bytes") as u64,
        layers: layers.into_iter().map(layer).collect::<Result<_, StoreError>>()?,
    })
}

pub(crate) fn digest(row: &SqliteRow, column: &'static str) -> Result<Digest, StoreError> {
    let text: &str = row.get(column);
    Digest::parse(text).map_err(|error| StoreError::unreadable("images", text, column, error))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn image(letter: &str) -> ImageRow {
        let digest = |last: &str| Digest::parse(&format!("sha256:{}{last}", letter.repeat(63))).expect("a digest");
        let layer = |last| LayerRow {
            digest: digest(last),
            diff_id: digest(last),
            chain_id: digest(last),
            size_bytes: 3,
            unpacked_bytes: 4,
        };
        ImageRow {
            id: digest("0"),
            manifest: digest("1"),
            created: None,
            added: Timestamp::from_unix_nanos(7),
            used: None,
            size_bytes: 9,
            layers: vec![layer("2"), layer("3")],
        }
    }

    #[tokio::test]
    async fn an_image_reads_back_with_its_layers_in_order() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        for letter in ["a", "b"] {
            put(&mut tx, &image(letter)).await.expect("writes");
            put(&mut tx, &image(letter)).await.expect("writes again");
        }
        assert_eq!(find(&mut tx, &image("a").id).await.expect("reads"), Some(image("a")));
        assert_eq!(list(&mut tx).await.expect("lists"), [image("a"), image("b")]);
        assert_eq!(find_by_prefix(&mut tx, "aaaa").await.expect("finds"), [image("a").id]);
        let at = Timestamp::from_unix_nanos(9);
        mark_used(&mut tx, &image("a").id, at).await.expect("writes");
        let found = find(&mut tx, &image("a").id).await.expect("reads").expect("is there");
        assert_eq!(found.used, Some(at));
        mark_removed(&mut tx, &image("a").id, at).await.expect("writes");
        assert!(!is_listed(&mut tx, &image("a").id).await.expect("reads"));
        assert_eq!(list(&mut tx).await.expect("lists"), [image("b")]);
        assert_eq!(find_by_prefix(&mut tx, "aaaa").await.expect("finds"), []);
        assert_eq!(list_all(&mut tx).await.expect("lists").len(), 2);
        put(&mut tx, &image("a")).await.expect("writes");
        assert!(!forget_removed(&mut tx).await.expect("it is back"));
        assert!(remove(&mut tx, &image("a").id).await.expect("removes"));
        assert_eq!(list(&mut tx).await.expect("lists"), [image("b")]);
    }
}
