//! Whether what is here is still what it was: blobs hashed anew, unpacked layers
//! compared with what their blobs unpack to.

use crate::layer::{Difference, difference};
use crate::{Image, ImageError, Layer, Store};
use model::image::Digest;
use std::collections::HashSet;
use std::fmt;
use tokio_util::sync::CancellationToken;

/// Something of an image that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub what: Damaged,
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// A manifest, a configuration or a layer as it came.
    Blob(Digest),
    /// An unpacked layer, by its chain id.
    Snapshot(Digest),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Damaged::Blob(digest) => write!(f, "blob {}: {}", digest.short(), self.why),
            Damaged::Snapshot(chain_id) => write!(f, "unpacked layer {}: {}", chain_id.short(), self.why),
        }
    }
}

/// What [`Store::verify`] looked at, and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    pub blobs: usize,
    pub snapshots: usize,
    pub damages: Vec<Damage>,
}

impl Store {
    /// Hashes every blob of these images, and unpacks every layer anew to compare it
    /// with the one that is used; one at a time, beside it on the disk. `show` hears how
    /// many of how many are done. Nothing may be collected meanwhile. Blocks.
    pub fn verify(
        &self,
        images: &[Image],
        cancel: &CancellationToken,
        mut show: impl FnMut(usize, usize),
    ) -> Result<Verified, ImageError> {
        let (mut blobs, mut layers) = (Vec::new(), Vec::new());
        let (mut known_blobs, mut known_layers) = (HashSet::new(), HashSet::new());
        for image in images {
            for digest in [&image.id, &image.manifest]
                .into_iter()
                .chain(image.layers.iter().map(|layer| &layer.digest))
            {
                if known_blobs.insert(digest) {
                    blobs.push(digest);
                }
            }
            for layer in &image.layers {
                if known_layers.insert(&layer.chain_id) {
                    layers.push(layer);
                }
            }
        }
        let total = blobs.len() + layers.len();
        let mut verified = Verified {
            blobs: blobs.len(),
            snapshots: layers.len(),
            damages: Vec::new(),
        };
        let mut damaged = HashSet::new();
        for (done, digest) in blobs.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            if let Some(why) = self.blob_damage(digest) {
                damaged.insert(*digest);
                verified.damages.push(Damage {
                    what: Damaged::Blob((*digest).clone()),
                    why,
                });
            }
            show(done + 1, total);
        }
        for (done, layer) in layers.iter().enumerate() {
            // Of a damaged blob nothing can be unpacked to compare with.
            let why = if damaged.contains(&layer.digest) {
                self.unpacked_bytes(&layer.chain_id)
                    .is_none()
                    .then(|| "it is not here".to_owned())
            } else {
                self.snapshot_damage(layer, cancel)?
            };
            verified.damages.extend(why.map(|why| Damage {
                what: Damaged::Snapshot(layer.chain_id.clone()),
                why,
            }));
            show(blobs.len() + done + 1, total);
        }
        Ok(verified)
    }

    /// Takes a damaged thing away, so that it is made or fetched anew. An unpacked layer
    /// whose blob is whole is unpacked again at once; whether that was enough. Blocks.
    pub fn repair(&self, damaged: &Damaged, images: &[Image], cancel: &CancellationToken) -> Result<bool, ImageError> {
        match damaged {
            Damaged::Blob(digest) => self.content.remove(digest).map(|()| false),
            Damaged::Snapshot(chain_id) => {
                self.remove_snapshot_if_here(chain_id)?;
                let has_it = |image: &&Image| image.layers.iter().any(|layer| layer.chain_id == *chain_id);
                let on_it = images.iter().filter(has_it).flat_map(|image| &image.layers);
                self.remove_roots_of(on_it.map(|layer| &layer.chain_id))?;
                let mut layers = images.iter().flat_map(|image| &image.layers);
                let layer = layers.find(|layer| layer.chain_id == *chain_id);
                match layer.filter(|layer| self.blob_damage(&layer.digest).is_none()) {
                    Some(layer) => self.unpack_again(layer, cancel).map(|()| true),
                    None => Ok(false),
                }
            }
        }
    }

    fn blob_damage(&self, digest: &Digest) -> Option<String> {
        if !self.content.has(digest) {
            return Some("it is not here".to_owned());
        }
        match self.content.is_whole(digest) {
            Ok(true) => None,
            Ok(false) => Some("its bytes are not those of its digest".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn snapshot_damage(&self, layer: &Layer, cancel: &CancellationToken) -> Result<Option<String>, ImageError> {
        if self.unpacked_bytes(&layer.chain_id).is_none() {
            return Ok(Some("it is not here".to_owned()));
        }
        let packed = self.content.open_blob(&layer.digest)?;
        self.beside(layer, packed, cancel, |here, fresh| {
            let found = difference(fresh, here).map_err(ImageError::file("compare", here))?;
            Ok(found.map(|difference| show(&difference)))
        })
    }

    fn unpack_again(&self, layer: &Layer, cancel: &CancellationToken) -> Result<(), ImageError> {
        let packed = self.content.open_blob(&layer.digest)?;
        let (digest, bytes) = (&layer.digest, layer.size_bytes);
        self.unpack_layer(digest, packed, bytes, &layer.diff_id, &layer.chain_id, cancel)
            .map(drop)
    }
}

fn show(difference: &Difference) -> String {
    format!("`/{}` {}", difference.path.display(), difference.what)
}
