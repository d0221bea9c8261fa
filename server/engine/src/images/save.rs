//! Images as an archive to take elsewhere.

use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::Download;
use image::ArchiveFormat;
use model::image::Reference;
use tokio_util::sync::CancellationToken;

impl Engine {
    /// One archive of all these images. An image asked for by a name has that name in
    /// it; one asked for by its id has none; a repository without a tag stands for all
    /// its tags. Nothing of them is collected meanwhile.
    ///
    /// # Errors
    /// One of them is not here.
    pub async fn save_images(&self, asked: &[String], format: ArchiveFormat) -> Result<Download, EngineError> {
        let lease = self.inner.leases.hold().await;
        let mut images: Vec<(image::Image, Vec<Reference>)> = Vec::new();
        for text in asked {
            for (row, reference) in self.rows_to_save(text).await? {
                match images.iter_mut().find(|(image, _)| image.id == row.id) {
                    Some((_, names)) => names.extend(reference.filter(|name| !names.contains(name))),
                    None => images.push((super::bring::kept(row), reference.into_iter().collect())),
                }
            }
        }
        if images.is_empty() {
            return Err(EngineError::invalid("names", "an image is needed to save"));
        }
        let engine = self.inner.clone();
        let subject = asked.join(", ");
        Download::begin(&self.inner, move |to| {
            let _lease = lease;
            let saved = engine.images.save(&images, format, to, &CancellationToken::new());
            saved.map_err(|error| super::failed(&subject, &error))
        })
        .await
    }

    async fn rows_to_save(&self, text: &str) -> Result<Vec<(store::images::ImageRow, Option<Reference>)>, EngineError> {
        let mut db = self.inner.database().read().await?;
        if let Ok(reference) = Reference::parse(text) {
            let names_all = !text.rsplit('/').next().unwrap_or(text).contains([':', '@']);
            let mut found = Vec::new();
            for (tag, id) in store::tags::list(&mut db).await? {
                let same = tag == reference
                    || (names_all
                        && tag.repository() == reference.repository()
                        && tag.registry() == reference.registry());
                if same && let Some(row) = store::images::find(&mut db, &id).await? {
                    found.push((row, Some(tag)));
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        drop(db);
        let found = self.inner.find_image(text).await?;
        let row = store::images::find(&mut *self.inner.database().read().await?, &found.id).await?;
        let row = row.ok_or_else(|| EngineError::ImageMissing(text.to_owned()))?;
        Ok(vec![(row, None)])
    }
}
