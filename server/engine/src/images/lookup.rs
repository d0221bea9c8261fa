//! Finding images, and what they say.

use super::view::{Image, Layer};
use crate::blocking::blocking;
use crate::containers::view::Snapshot;
use crate::engine::{Engine, Inner};
use crate::error::{Doing, EngineError};
use crate::journal::Facts;
use model::image::{Digest, ImageConfig, Reference};
use std::collections::HashMap;
use std::sync::Arc;
use store::images::ImageRow;

/// An image and the name it was found by.
#[derive(Debug, Clone)]
pub(crate) struct FoundImage {
    pub(crate) id: Digest,
    pub(crate) reference: Reference,
    pub(crate) by: FoundBy,
}

/// What of a text led to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// A tag, or a digest that it was pulled or pushed by.
    Reference,
    /// The digest of its manifest or configuration, below a repository it is not known in.
    Content,
    /// Its id, or the beginning of it.
    Id,
}

impl Engine {
    /// All images, newest on this host first.
    pub async fn images(&self) -> Result<Snapshot<Image>, EngineError> {
        let seq = self.last_seq();
        let mut db = self.inner.database().read().await?;
        let rows = store::images::list(&mut db).await?;
        let mut tags: HashMap<Digest, Vec<Reference>> = HashMap::new();
        for (reference, id) in store::tags::list(&mut db).await? {
            tags.entry(id).or_default().push(reference);
        }
        drop(db);
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let tags = tags.remove(&row.id).unwrap_or_default();
            items.push(self.inner.show_image(row, tags).await?);
        }
        Ok(Snapshot { items, seq })
    }

    /// By name, digest, or the beginning of an id.
    pub async fn image(&self, text: &str) -> Result<Image, EngineError> {
        let found = self.inner.find_image(text).await?;
        let mut db = self.inner.database().read().await?;
        let row = store::images::find(&mut db, &found.id).await?;
        let tags = store::tags::list_of_image(&mut db, &found.id).await?;
        drop(db);
        let row = row.ok_or_else(|| EngineError::ImageMissing(text.to_owned()))?;
        self.inner.show_image(row, tags).await
    }

    /// The image's configuration as it came: JSON of the image specification.
    pub async fn image_config_json(&self, id: &Digest) -> Result<Vec<u8>, EngineError> {
        let (engine, id) = (self.inner.clone(), id.clone());
        blocking("read an image's configuration", move || {
            let read = engine.images.config(&id);
            read.map(|(_, json)| json)
                .doing(|| format!("read the configuration of image {}", id.short()))
        })
        .await
    }
}

impl Inner {
    /// A name first, as people mean it; then a digest; then the beginning of an id.
    pub(crate) async fn find_image(&self, text: &str) -> Result<FoundImage, EngineError> {
        let missing = || EngineError::ImageMissing(text.to_owned());
        let mut db = self.database().read().await?;
        if let Ok(id) = Digest::parse(text) {
            if !store::images::is_listed(&mut db, &id).await? {
                return Err(missing());
            }
            return self.found_by_id(&mut db, id).await;
        }
        let parsed = Reference::parse(text);
        if let Ok(reference) = &parsed {
            if let Some(id) = store::tags::find(&mut db, reference).await? {
                return Ok(FoundImage {
                    id,
                    reference: reference.clone(),
                    by: FoundBy::Reference,
                });
            }
            if let Some(digest) = reference.digest() {
                if let Some(id) = store::image_digests::find(&mut db, reference).await? {
                    return Ok(FoundImage {
                        id,
                        reference: reference.clone(),
                        by: FoundBy::Reference,
                    });
                }
                let rows = store::images::list(&mut db).await?;
                let row = rows
                    .into_iter()
                    .find(|row| row.manifest == *digest || row.id == *digest);
                return Ok(FoundImage {
                    id: row.ok_or_else(missing)?.id,
                    reference: reference.clone(),
                    by: FoundBy::Content,
                });
            }
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let hex = prefix.len() >= 2 && prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex {
            let mut found = store::images::find_by_prefix(&mut db, prefix).await?;
            if found.len() > 1 {
                return Err(EngineError::Ambiguous {
                    what: "image",
                    prefix: text.to_owned(),
                    candidates: found.iter().map(|id| id.short().to_owned()).collect(),
                });
            }
            if let Some(id) = found.pop() {
                return self.found_by_id(&mut db, id).await;
            }
        }
        match parsed {
            Ok(_) => Err(missing()),
            Err(error) => Err(EngineError::invalid("image", error)),
        }
    }

    /// Named by its first tag, else by the beginning of its id.
    async fn found_by_id(&self, db: &mut store::SqliteConnection, id: Digest) -> Result<FoundImage, EngineError> {
        let tag = store::tags::list_of_image(db, &id).await?.into_iter().next();
        let reference = match tag {
            Some(tag) => tag,
            None => Reference::parse(id.short()).map_err(|error| EngineError::invalid("image", error))?,
        };
        Ok(FoundImage {
            id,
            reference,
            by: FoundBy::Id,
        })
    }

    pub(crate) async fn image_config(self: &Arc<Self>, id: &Digest) -> Result<ImageConfig, EngineError> {
        let (engine, id) = (self.clone(), id.clone());
        blocking("read an image's configuration", move || {
            let read = engine.images.config(&id);
            read.map(|(config, _)| config)
                .doing(|| format!("read the configuration of image {}", id.short()))
        })
        .await
    }

    /// What events of an image tell. Labels of an image that cannot be read are left out: an
    /// event is not worth failing for.
    pub(crate) async fn image_facts(self: &Arc<Self>, id: &Digest, name: &str) -> Facts {
        let config = self.image_config(id).await;
        Facts {
            attributes: vec![("name".to_owned(), name.to_owned())],
            labels: config.map(|config| config.labels).unwrap_or_default(),
        }
    }

    /// The layers of an image, lowest first.
    pub(crate) async fn image_chain(&self, id: &Digest) -> Result<Vec<Digest>, EngineError> {
        let row = store::images::find(&mut *self.database().read().await?, id).await?;
        let row = row.ok_or_else(|| EngineError::ImageMissing(id.to_string()))?;
        Ok(row.layers.into_iter().map(|layer| layer.chain_id).collect())
    }

    async fn show_image(self: &Arc<Self>, row: ImageRow, tags: Vec<Reference>) -> Result<Image, EngineError> {
        let config = self.image_config(&row.id).await?;
        let digests = store::image_digests::list_of_image(&mut *self.database().read().await?, &row.id).await?;
        let views = self.containers.views();
        let users = views.iter().filter(|container| container.spec.image.id == row.id);
        let containers = users.map(|container| container.id.clone()).collect();
        Ok(Image {
            manifest: row.manifest,
            tags,
            digests,
            created: row.created,
            added: row.added,
            size_bytes: row.size_bytes,
            layers: row.layers.into_iter().map(show_layer).collect(),
            config,
            containers,
            id: row.id,
        })
    }
}

fn show_layer(row: store::images::LayerRow) -> Layer {
    Layer {
        digest: row.digest,
        diff_id: row.diff_id,
        chain_id: row.chain_id,
        size_bytes: row.size_bytes,
        unpacked_bytes: row.unpacked_bytes,
    }
}
