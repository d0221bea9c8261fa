//! Digests an image was brought by, with the repository they came from.

use crate::StoreError;
use crate::images::digest;
use model::image::{Digest, Reference};
use sqlx::{Row as _, SqliteConnection};

/// `reference` is one by digest.
pub async fn set(db: &mut SqliteConnection, reference: &Reference, image: &Digest) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO image_digests (reference, image_id) VALUES (?, ?)
         ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id",
    )
    .bind(key(reference))
    .bind(image.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// A tag beside the digest is of no matter.
pub async fn find(db: &mut SqliteConnection, reference: &Reference) -> Result<Option<Digest>, StoreError> {
    let row = sqlx::query("SELECT image_id FROM image_digests WHERE reference = ?")
        .bind(key(reference))
        .fetch_optional(db)
        .await?;
    row.map(|row| digest(&row, "image_id")).transpose()
}

pub async fn list_of_image(db: &mut SqliteConnection, image: &Digest) -> Result<Vec<Reference>, StoreError> {
    let rows = sqlx::query("SELECT reference FROM image_digests WHERE image_id = ? ORDER BY reference")
        .bind(image.as_str())
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            let text: &str = row.get("reference");
            Reference::parse(text).map_err(|error| StoreError::unreadable("image_digests", text, "reference", error))
        })
        .collect()
}

/// Returns whether there was one to remove.
pub async fn remove(db: &mut SqliteConnection, reference: &Reference) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM image_digests WHERE reference = ?")
        .bind(key(reference))
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn key(reference: &Reference) -> String {
    let digest = reference.digest().map_or("", Digest::as_str);
    format!("{}/{}@{digest}", reference.registry(), reference.repository())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tests::image;

    #[tokio::test]
    async fn an_image_is_found_by_the_digest_it_was_brought_by() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let row = image("a");
        crate::images::put(&mut tx, &row).await.expect("writes");
        let text = format!("busybox@sha256:{}", "c".repeat(64));
        let name = Reference::parse(&text).expect("a reference");
        set(&mut tx, &name, &row.id).await.expect("writes");
        let tagged = Reference::parse(&text.replace('@', ":1.36@")).expect("a reference");
        assert_eq!(find(&mut tx, &tagged).await.expect("reads"), Some(row.id.clone()));
        assert_eq!(list_of_image(&mut tx, &row.id).await.expect("lists").len(), 1);
        assert!(remove(&mut tx, &tagged).await.expect("removes"));
        assert_eq!(find(&mut tx, &name).await.expect("reads"), None);
        set(&mut tx, &name, &row.id).await.expect("writes");
        crate::images::remove(&mut tx, &row.id).await.expect("removes");
        assert_eq!(find(&mut tx, &name).await.expect("reads"), None);
    }
}
