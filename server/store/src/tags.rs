//! Movable names of images, in their complete form.

use crate::StoreError;
use crate::images::digest;
use model::Timestamp;
use model::image::{Digest, Reference};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// Points `reference` at an image; gives the image it named before.
pub async fn set(
    db: &mut SqliteConnection,
    reference: &Reference,
    image: &Digest,
    at: Timestamp,
) -> Result<Option<Digest>, StoreError> {
    let before = find(&mut *db, reference).await?;
    sqlx::query(
        "INSERT INTO tags (reference, image_id, updated_ns) VALUES (?, ?, ?)
         ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id, updated_ns = excluded.updated_ns",
    )
    .bind(reference.to_string())
    .bind(image.as_str())
    .bind(at.as_unix_nanos())
    .execute(db)
    .await?;
    Ok(before)
}

pub async fn find(db: &mut SqliteConnection, reference: &Reference) -> Result<Option<Digest>, StoreError> {
    let row = sqlx::query("SELECT image_id FROM tags WHERE reference = ?")
        .bind(reference.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| digest(&row, "image_id")).transpose()
}

/// Every name and what it means, by name.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<(Reference, Digest)>, StoreError> {
    sqlx::query("SELECT reference, image_id FROM tags ORDER BY reference")
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

pub async fn list_of_image(db: &mut SqliteConnection, image: &Digest) -> Result<Vec<Reference>, StoreError> {
    let rows = sqlx::query("SELECT reference, image_id FROM tags WHERE image_id = ? ORDER BY reference")
        .bind(image.as_str())
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| read(row).map(|(reference, _)| reference))
        .collect()
}

/// Whether there was one to remove.
pub async fn remove(db: &mut SqliteConnection, reference: &Reference) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM tags WHERE reference = ?")
        .bind(reference.to_string())
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn read(row: &SqliteRow) -> Result<(Reference, Digest), StoreError> {
    let text: &str = row.get("reference");
    let reference = Reference::parse(text).map_err(|error| StoreError::unreadable("tags", text, "reference", error))?;
    Ok((reference, digest(row, "image_id")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tests::image;

    #[tokio::test]
    async fn a_tag_moves_and_goes_with_its_image() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let (a, b) = (image("a"), image("b"));
        let name = Reference::parse("busybox").expect("a reference");
        let at = Timestamp::default();
        for image in [&a, &b] {
            crate::images::put(&mut tx, image).await.expect("writes");
        }
        assert_eq!(set(&mut tx, &name, &a.id, at).await.expect("sets"), None);
        assert_eq!(set(&mut tx, &name, &b.id, at).await.expect("sets"), Some(a.id.clone()));
        assert_eq!(list_of_image(&mut tx, &b.id).await.expect("lists"), [name.clone()]);
        crate::images::remove(&mut tx, &b.id).await.expect("removes");
        assert_eq!(list(&mut tx).await.expect("lists"), []);
        assert!(!remove(&mut tx, &name).await.expect("removes"));
    }
}
