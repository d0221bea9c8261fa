//! Which images are built on another: they have all its layers, and its history first.

use super::failed;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::EngineError;
use model::image::Digest;
use store::images::ImageRow;

impl Engine {
    /// The image, and all images on this host that are built on it.
    ///
    /// # Errors
    /// There is no such image.
    pub async fn image_and_descendants(&self, text: &str) -> Result<Vec<Digest>, EngineError> {
        let ancestor = self.inner.find_image(text).await?.id;
        let rows = store::images::list(&mut *self.inner.database().read().await?).await?;
        let engine = self.inner.clone();
        blocking("look for descendants of an image", move || {
            let steps = |id: &Digest| {
                let parsed = engine.images.parsed_config(id);
                parsed
                    .map(|parsed| parsed.history)
                    .map_err(|error| failed(id.short(), &error))
            };
            let Some(of) = rows.iter().find(|row| row.id == ancestor) else {
                return Ok(vec![ancestor]);
            };
            let of_steps = steps(&of.id)?;
            let mut found = Vec::new();
            for row in &rows {
                let is_one = row.id == of.id
                    || match relation(of, row) {
                        Relation::None => false,
                        Relation::MoreLayers => true,
                        Relation::SameLayers => {
                            let steps = steps(&row.id)?;
                            steps.len() > of_steps.len() && steps.starts_with(&of_steps)
                        }
                    };
                if is_one {
                    found.push(row.id.clone());
                }
            }
            Ok(found)
        })
        .await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    None,
    /// Only the history tells which of the two is built on the other.
    SameLayers,
    MoreLayers,
}

/// What the layers of `other` are to those of `of`. A chain ID names a layer with all below.
fn relation(of: &ImageRow, other: &ImageRow) -> Relation {
    let Some(top) = of.layers.last() else {
        return Relation::None;
    };
    match other.layers.get(of.layers.len() - 1) {
        Some(layer) if layer.chain_id == top.chain_id && other.layers.len() == of.layers.len() => Relation::SameLayers,
        Some(layer) if layer.chain_id == top.chain_id => Relation::MoreLayers,
        _ => Relation::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;
    use store::images::LayerRow;

    fn image(chain: &[u8]) -> ImageRow {
        let digest = |byte: u8| Digest::from_sha256([byte; 32]);
        ImageRow {
            id: digest(0),
            manifest: digest(0),
            created: None,
            added: Timestamp::from_unix_nanos(0),
            used: None,
            size_bytes: 0,
            layers: chain
                .iter()
                .map(|byte| LayerRow {
                    digest: digest(*byte),
                    diff_id: digest(*byte),
                    chain_id: digest(*byte),
                    size_bytes: 0,
                    unpacked_bytes: 0,
                })
                .collect(),
        }
    }

    #[test]
    fn an_image_with_all_layers_of_another_and_more_is_built_on_it() {
        let base = image(&[1, 2]);
        assert_eq!(relation(&base, &image(&[1, 2, 3])), Relation::MoreLayers);
        assert_eq!(relation(&base, &image(&[1, 2])), Relation::SameLayers);
        assert_eq!(relation(&base, &image(&[1])), Relation::None);
        assert_eq!(relation(&base, &image(&[1, 4, 2])), Relation::None);
        assert_eq!(relation(&image(&[]), &base), Relation::None);
    }
}
