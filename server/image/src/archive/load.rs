//! `docker save`, old and new, and OCI image layouts (image-spec, image-layout.md).

use super::arriving::Arriving;
use super::spool::Spool;
use crate::manifest::{self, Descriptor, Document, Manifest};
use crate::pull::{blocking, check_layers};
use crate::{Image, ImageError, Layer, Phase, Platform, Progress, Store, config};
use model::image::{Digest, Reference};
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// An image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Layout {
    manifests: Vec<LayoutEntry>,
}

#[derive(Deserialize)]
struct LayoutEntry {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What an archive says of one image.
struct Described {
    /// As the registry would have it; `None` for old archives, which have none.
    manifest_digest: Option<Digest>,
    manifest: Manifest,
    references: Vec<Reference>,
}

impl Store {
    /// Takes all images of an archive; each with the names the archive gives it.
    pub async fn load<R>(
        &self,
        archive: R,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Vec<(Image, Vec<Reference>)>, ImageError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let store = self.clone();
        let archive = Arriving::new(archive, &cancel);
        blocking(move || store.load_blocking(archive, &progress, &cancel)).await
    }

    fn load_blocking(
        &self,
        archive: impl std::io::Read,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Image, Vec<Reference>)>, ImageError> {
        let loaded = self.take_all(archive, progress, cancel)?;
        self.content.settle_soon()?;
        progress.send_modify(|progress| progress.phase = Phase::Done);
        Ok(loaded)
    }

    /// All images, unpacked and perhaps not on the disk yet. Blocks.
    pub(crate) fn take_all(
        &self,
        archive: impl std::io::Read,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Image, Vec<Reference>)>, ImageError> {
        progress.send_modify(|progress| progress.phase = Phase::Fetching);
        let spool = Spool::read(archive, &self.content, self.limits, progress, cancel)?;
        progress.send_modify(|progress| progress.phase = Phase::Extracting);
        let mut loaded = Vec::new();
        for described in self.describe(&spool)? {
            let references = described.references.clone();
            loaded.push((self.take_in(described, cancel)?, references));
        }
        Ok(loaded)
    }

    fn describe(&self, spool: &Spool) -> Result<Vec<Described>, ImageError> {
        // Docker writes both; its own form has the tags of every image.
        if let Some(json) = spool.document(&self.content, "manifest.json")? {
            return Self::describe_saved(spool, &json);
        }
        if let Some(json) = spool.document(&self.content, "index.json")? {
            return self.describe_layout(spool, &json);
        }
        Err(ImageError::NoImage)
    }

    fn describe_saved(spool: &Spool, json: &[u8]) -> Result<Vec<Described>, ImageError> {
        let saved: Vec<Saved> =
            serde_json::from_slice(json).map_err(|error| ImageError::malformed("`manifest.json`", error))?;
        if saved.is_empty() {
            return Err(ImageError::NoImage);
        }
        let descriptor = |name: &str| spool.get(name).map(|(digest, size)| Descriptor { digest, size });
        saved
            .into_iter()
            .map(|image| {
                let layers = image.layers.unwrap_or_default();
                let tags = image.repo_tags.unwrap_or_default();
                Ok(Described {
                    manifest_digest: None,
                    manifest: Manifest {
                        config: descriptor(&image.config)?,
                        layers: layers.iter().map(|name| descriptor(name)).collect::<Result<_, _>>()?,
                    },
                    references: tags.iter().filter_map(|tag| Reference::parse(tag).ok()).collect(),
                })
            })
            .collect()
    }

    fn describe_layout(&self, spool: &Spool, json: &[u8]) -> Result<Vec<Described>, ImageError> {
        let layout: Layout =
            serde_json::from_slice(json).map_err(|error| ImageError::malformed("`index.json`", error))?;
        let mut found = Vec::new();
        for entry in layout.manifests {
            let digest = Digest::parse(&entry.digest).map_err(|error| ImageError::malformed("`index.json`", error))?;
            let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                .iter()
                .find_map(|key| entry.annotations.get(*key))
                .and_then(|text| Reference::parse(text).ok());
            let (manifest_digest, manifest) = self.follow_layout(spool, digest)?;
            found.push(Described {
                manifest_digest: Some(manifest_digest),
                manifest,
                references: name.into_iter().collect(),
            });
        }
        if found.is_empty() {
            return Err(ImageError::NoImage);
        }
        Ok(found)
    }

    /// From an index to the manifest for this host.
    fn follow_layout(&self, spool: &Spool, digest: Digest) -> Result<(Digest, Manifest), ImageError> {
        let mut digest = digest;
        let any = Reference::parse("archive").map_err(|error| ImageError::malformed("the archive", error))?;
        for _ in 0..3 {
            let name = format!("blobs/sha256/{}", digest.hex());
            let (found, _) = spool.get(&name)?;
            if found != digest {
                return Err(ImageError::Digest {
                    what: "a blob of the archive",
                    expected: digest,
                    found,
                });
            }
            let json = spool.document(&self.content, &name)?.ok_or(ImageError::Missing(name))?;
            match manifest::parse(&json, None)? {
                Document::Manifest(manifest) => return Ok((digest, manifest)),
                Document::Index(entries) => digest = manifest::choose(&any, &entries, &Platform::own())?.digest,
            }
        }
        Err(ImageError::malformed(
            "`index.json`",
            "indexes name each other without end",
        ))
    }

    /// Unpacks what is described. The blobs are here; their digests were computed,
    /// so that what the config promises of the layers decides.
    fn take_in(&self, described: Described, cancel: &CancellationToken) -> Result<Image, ImageError> {
        let Described {
            manifest_digest,
            manifest,
            ..
        } = described;
        let parsed = config::parse(&self.content.read(&manifest.config.digest)?)?;
        let chain = check_layers(&manifest, &parsed)?;
        let mut layers = Vec::with_capacity(chain.len());
        for (place, descriptor) in manifest.layers.iter().enumerate() {
            let (diff_id, chain_id) = (&parsed.diff_ids[place], &chain[place]);
            let unpacked_bytes = match self.unpacked_bytes(chain_id) {
                Some(bytes) => bytes,
                None => {
                    let packed = self.content.open_blob(&descriptor.digest)?;
                    self.unpack_layer(&descriptor.digest, packed, descriptor.size, diff_id, chain_id, cancel)?
                }
            };
            layers.push(Layer {
                digest: descriptor.digest.clone(),
                diff_id: diff_id.clone(),
                chain_id: chain_id.clone(),
                size_bytes: descriptor.size,
                unpacked_bytes,
            });
        }
        let manifest_digest = match manifest_digest {
            Some(digest) => digest,
            None => self.put_manifest(&manifest)?,
        };
        Ok(Image {
            id: manifest.config.digest,
            manifest: manifest_digest,
            config: parsed.config,
            created: parsed.created,
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            layers,
        })
    }
}
