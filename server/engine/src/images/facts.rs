//! What is in an image: the files of its layers, what they waste, the packages found.

use super::bring::kept;
use super::failed;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::EngineError;
use image::{LayerFile, Referrer, SbomFormat, Waste};
use model::image::{Digest, Reference};
use std::path::PathBuf;
use store::images::ImageRow;

impl Engine {
    /// The directory `path` of the layer at `position`, counted from the lowest, which is
    /// 0; with `whole`, as all layers up to it show it.
    ///
    /// # Errors
    /// The image has no such layer; the layer has no such directory.
    pub async fn layer_files(
        &self,
        image: &str,
        position: usize,
        path: &str,
        whole: bool,
    ) -> Result<Vec<LayerFile>, EngineError> {
        let row = self.image_row(image).await?;
        if position >= row.layers.len() {
            return Err(EngineError::NotFound {
                what: "layer",
                name: position.to_string(),
            });
        }
        let chain: Vec<Digest> = row.layers[..=position]
            .iter()
            .map(|layer| layer.chain_id.clone())
            .collect();
        let (engine, path) = (self.inner.clone(), path.to_owned());
        let relative = PathBuf::from(path.trim_start_matches('/'));
        blocking("look at a layer's files", move || {
            engine
                .images
                .layer_files(&chain, &relative, whole)
                .map_err(|error| match error {
                    image::ImageError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                        EngineError::NotFound {
                            what: "directory",
                            name: path,
                        }
                    }
                    image::ImageError::File { source, .. }
                        if matches!(
                            source.kind(),
                            std::io::ErrorKind::InvalidInput
                                | std::io::ErrorKind::InvalidFilename
                                | std::io::ErrorKind::NotADirectory
                        ) =>
                    {
                        EngineError::invalid("path", format!("`{}`: {source}", path.escape_debug()))
                    }
                    other => failed("the layer", &other),
                })
        })
        .await
    }

    /// What later layers of the image hide of earlier ones.
    pub async fn image_waste(&self, image: &str) -> Result<Waste, EngineError> {
        let row = self.image_row(image).await?;
        let chain: Vec<Digest> = row.layers.iter().map(|layer| layer.chain_id.clone()).collect();
        let engine = self.inner.clone();
        blocking("look at an image's layers", move || {
            engine
                .images
                .waste(&chain)
                .map_err(|error| failed(row.id.short(), &error))
        })
        .await
    }

    /// The packages found in the image, as a document.
    pub async fn image_sbom(&self, image: &str, format: SbomFormat) -> Result<serde_json::Value, EngineError> {
        let row = self.image_row(image).await?;
        let tags = store::tags::list_of_image(&mut *self.inner.database().read().await?, &row.id).await?;
        let name = tags.first().map_or_else(|| row.id.to_string(), Reference::short);
        let engine = self.inner.clone();
        blocking("look for packages in an image", move || {
            let made = engine.images.sbom(&name, &kept(row), format);
            made.map_err(|error| failed(&name, &error))
        })
        .await
    }

    /// Signatures and other artifacts that came with the image and refer to it.
    pub async fn image_referrers(&self, image: &str) -> Result<Vec<Referrer>, EngineError> {
        let row = self.image_row(image).await?;
        let engine = self.inner.clone();
        blocking("look for what refers to an image", move || {
            let found = engine.images.referrers(&row.manifest);
            found.map_err(|error| failed(row.id.short(), &error))
        })
        .await
    }

    async fn image_row(&self, text: &str) -> Result<ImageRow, EngineError> {
        let found = self.inner.find_image(text).await?;
        let row = store::images::find(&mut *self.inner.database().read().await?, &found.id).await?;
        row.ok_or_else(|| EngineError::ImageMissing(text.to_owned()))
    }
}
