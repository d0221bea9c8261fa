//! A pull: name → manifest for this platform → config and layers → snapshots.

use crate::config::{self, ParsedConfig};
use crate::content::Ingest;
use crate::layer::chain_ids;
use crate::manifest::{self, Descriptor, Document, Manifest};
use crate::registry::{Login, Registry};
use crate::{Image, ImageError, Layer, LayerProgress, LayerState, Phase, Progress, Store};
use futures_util::{StreamExt as _, stream};
use model::image::{Digest, Reference};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Layers fetched at once.
const AT_ONCE: usize = 3;
/// A broken connection is taken up again this often, where it broke.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Progress is shown after so many bytes.
const SHOW_EVERY_BYTES: u64 = 256 << 10;

/// What an image runs on: `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    pub os: String,
    /// As Go counts them: `amd64`, `arm64`.
    pub architecture: String,
    pub variant: String,
}

impl Platform {
    /// This host's.
    pub fn own() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", "v8"),
            other => (other, ""),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// `linux/amd64`, `linux/arm64/v8`, or the architecture alone.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, ""),
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] => (os, architecture, variant),
            _ => return None,
        };
        (!os.is_empty() && !architecture.is_empty()).then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        })
    }

    pub(crate) fn fits(&self, wanted: &Self) -> bool {
        let variant = self.variant.is_empty() || wanted.variant.is_empty() || self.variant == wanted.variant;
        self.os == wanted.os && self.architecture == wanted.architecture && variant
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// `None` is this host's.
    pub platform: Option<Platform>,
    /// Asked first for images of Docker Hub: `https://…`, or `http://` on this host.
    pub mirrors: Vec<String>,
    pub login: Option<Login>,
}

/// A pull under way.
struct Pull<'a> {
    store: &'a Store,
    progress: &'a watch::Sender<Progress>,
    cancel: &'a CancellationToken,
}

impl Store {
    /// Fetches an image and unpacks it. What is here already is not fetched again.
    pub async fn pull(
        &self,
        reference: &Reference,
        options: PullOptions,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Image, ImageError> {
        let pull = Pull {
            store: self,
            progress: &progress,
            cancel: &cancel,
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ImageError::Cancelled),
            outcome = pull.run(reference, &options) => outcome,
        }
    }
}

impl Pull<'_> {
    async fn run(&self, reference: &Reference, options: &PullOptions) -> Result<Image, ImageError> {
        let mut failure = None;
        for registry in self.registries(reference, options) {
            match self.from(&registry, reference, options).await {
                Ok(image) => return Ok(image),
                // A mirror that fails is as good as none.
                Err(error) => {
                    tracing::debug!(registry = registry.host(), %error, "a registry did not give the image");
                    failure = Some(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| ImageError::NotFound(reference.short())))
    }

    fn registries(&self, reference: &Reference, options: &PullOptions) -> Vec<Registry> {
        let client = &self.store.client;
        let mut registries = Vec::new();
        if reference.registry() == model::image::reference::DOCKER_HUB {
            let mirrors = options.mirrors.iter();
            registries.extend(mirrors.filter_map(|url| Registry::mirror(client, url, reference)));
        }
        registries.push(Registry::of(client, reference, options.login.clone()));
        registries
    }

    async fn from(
        &self,
        registry: &Registry,
        reference: &Reference,
        options: &PullOptions,
    ) -> Result<Image, ImageError> {
        self.progress.send_replace(Progress::default());
        let (digest, manifest) = self.resolve(registry, reference, options).await?;
        let json = self.document(registry, &manifest.config).await?;
        let parsed = config::parse(&json)?;
        let chain = check_layers(&manifest, &parsed)?;
        self.begin_layers(&manifest, &chain);
        self.fetch_all(registry, &manifest, &chain).await?;
        self.progress.send_modify(|progress| progress.phase = Phase::Extracting);
        let mut layers = Vec::with_capacity(chain.len());
        for (place, descriptor) in manifest.layers.iter().enumerate() {
            let diff_id = parsed.diff_ids[place].clone();
            let unpacked_bytes = self.unpack(place, descriptor, &diff_id, &chain[place]).await?;
            layers.push(Layer {
                digest: descriptor.digest.clone(),
                diff_id,
                chain_id: chain[place].clone(),
                size_bytes: descriptor.size,
                unpacked_bytes,
            });
        }
        self.progress.send_modify(|progress| progress.phase = Phase::Done);
        Ok(Image {
            id: manifest.config.digest.clone(),
            manifest: digest,
            config: parsed.config,
            created: parsed.created,
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            layers,
        })
    }

    /// By digest from the first answer on: nothing can change in between.
    async fn resolve(
        &self,
        registry: &Registry,
        reference: &Reference,
        options: &PullOptions,
    ) -> Result<(Digest, Manifest), ImageError> {
        let wanted = options.platform.clone().unwrap_or_else(Platform::own);
        let mut name = reference.manifest_name().to_owned();
        let mut promised: Option<Digest> = reference.digest().cloned();
        // An index may name an index; two steps are the most that exist.
        for _ in 0..3 {
            let accept = [
                manifest::OCI_INDEX,
                manifest::DOCKER_LIST,
                manifest::OCI_MANIFEST,
                manifest::DOCKER_MANIFEST,
            ];
            let fetched = registry
                .manifest(&name, &accept.join(", "), manifest::DOCUMENT_LIMIT_BYTES)
                .await?;
            let found = Digest::from_sha256(Sha256::digest(&fetched.body).into());
            if let Some(expected) = promised.filter(|expected| *expected != found) {
                return Err(ImageError::Digest {
                    what: "the manifest",
                    expected,
                    found,
                });
            }
            match manifest::parse(&fetched.body, fetched.media_type.as_deref())? {
                Document::Manifest(manifest) => {
                    self.store.content.put(&fetched.body)?;
                    return Ok((found, manifest));
                }
                Document::Index(entries) => {
                    let chosen = manifest::choose(reference, &entries, &wanted)?;
                    name = chosen.digest.to_string();
                    promised = Some(chosen.digest);
                }
            }
        }
        Err(ImageError::malformed(
            "the manifest",
            "indexes name each other without end",
        ))
    }

    async fn document(&self, registry: &Registry, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        if self.store.content.has(&descriptor.digest) {
            return self.store.content.read(&descriptor.digest);
        }
        let json = registry
            .document(&descriptor.digest, manifest::DOCUMENT_LIMIT_BYTES)
            .await?;
        let mut ingest = self.store.content.begin()?;
        ingest.write(&json)?;
        ingest.commit(&self.store.content, Some(descriptor), "the image's configuration")?;
        Ok(json)
    }

    fn begin_layers(&self, manifest: &Manifest, chain: &[Digest]) {
        self.progress.send_modify(|progress| {
            progress.phase = Phase::Fetching;
            progress.layers = manifest
                .layers
                .iter()
                .zip(chain)
                .map(|(layer, chain_id)| LayerProgress {
                    digest: layer.digest.clone(),
                    state: match self.store.unpacked_bytes(chain_id) {
                        Some(_) => LayerState::AlreadyHere,
                        None => LayerState::Waiting,
                    },
                })
                .collect();
            let waiting = manifest.layers.iter().zip(&progress.layers);
            progress.bytes_total = waiting
                .filter(|(_, shown)| shown.state == LayerState::Waiting)
                .map(|(layer, _)| layer.size)
                .sum();
        });
    }

    async fn fetch_all(&self, registry: &Registry, manifest: &Manifest, chain: &[Digest]) -> Result<(), ImageError> {
        let mut wanted = Vec::new();
        for (place, layer) in manifest.layers.iter().enumerate() {
            if self.store.unpacked_bytes(&chain[place]).is_none() {
                wanted.push(self.fetch(registry, place, layer));
            }
        }
        let mut fetches = stream::iter(wanted).buffer_unordered(AT_ONCE);
        while let Some(outcome) = fetches.next().await {
            outcome?;
        }
        Ok(())
    }

    /// Fetches a blob; a connection that breaks is taken up again where it broke.
    async fn fetch(&self, registry: &Registry, place: usize, layer: &Descriptor) -> Result<(), ImageError> {
        if self.store.content.has(&layer.digest) {
            self.show(place, LayerState::Verifying, layer.size);
            return Ok(());
        }
        let mut ingest = self.store.content.begin()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.fetch_some(registry, place, layer, &mut ingest).await {
                Ok(()) => break,
                Err(error @ ImageError::Unreachable { .. }) if attempt < ATTEMPTS => {
                    tracing::debug!(%error, attempt, "a layer's connection broke; it is taken up again");
                    tokio::time::sleep(FIRST_PAUSE * attempt).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.show(place, LayerState::Verifying, 0);
        ingest.commit(&self.store.content, Some(layer), "a layer").map(drop)
    }

    async fn fetch_some(
        &self,
        registry: &Registry,
        place: usize,
        layer: &Descriptor,
        ingest: &mut Ingest,
    ) -> Result<(), ImageError> {
        let (mut response, continues) = registry.blob(&layer.digest, ingest.bytes()).await?;
        if !continues && ingest.bytes() > 0 {
            // It begins again, and so do we.
            let before = ingest.bytes();
            self.progress
                .send_modify(|progress| progress.bytes_done = progress.bytes_done.saturating_sub(before));
            *ingest = self.store.content.begin()?;
        }
        let mut shown = ingest.bytes();
        while let Some(chunk) = response.chunk().await.map_err(|error| registry.unreachable(&error))? {
            if ingest.bytes() + chunk.len() as u64 > layer.size {
                return Err(ImageError::Size {
                    what: "a layer",
                    expected: layer.size,
                    found: ingest.bytes() + chunk.len() as u64,
                });
            }
            ingest.write(&chunk)?;
            let done = ingest.bytes();
            if done - shown >= SHOW_EVERY_BYTES || done == layer.size {
                let total = layer.size;
                self.show(place, LayerState::Downloading { done, total }, done - shown);
                shown = done;
            }
        }
        Ok(())
    }

    async fn unpack(
        &self,
        place: usize,
        layer: &Descriptor,
        diff_id: &Digest,
        chain_id: &Digest,
    ) -> Result<u64, ImageError> {
        if let Some(bytes) = self.store.unpacked_bytes(chain_id) {
            self.show(place, LayerState::AlreadyHere, 0);
            return Ok(bytes);
        }
        let total = layer.size;
        self.show(place, LayerState::Extracting { done: 0, total }, 0);
        let (store, cancel, progress) = (self.store.clone(), self.cancel.clone(), self.progress.clone());
        let (layer, diff_id, chain_id) = (layer.clone(), diff_id.clone(), chain_id.clone());
        let bytes = blocking(move || {
            let packed = Counted {
                from: store.content.open_blob(&layer.digest)?,
                done: 0,
                shown: 0,
                show: move |done| {
                    progress.send_modify(|progress| {
                        if let Some(shown) = progress.layers.get_mut(place) {
                            shown.state = LayerState::Extracting { done, total };
                        }
                    });
                },
            };
            store.unpack_layer(&layer.digest, packed, layer.size, &diff_id, &chain_id, &cancel)
        })
        .await?;
        self.show(place, LayerState::Done, 0);
        Ok(bytes)
    }

    fn show(&self, place: usize, state: LayerState, more_bytes: u64) {
        self.progress.send_modify(|progress| {
            progress.bytes_done += more_bytes;
            if let Some(layer) = progress.layers.get_mut(place) {
                layer.state = state;
            }
        });
    }
}

/// Tells how far reading is.
struct Counted<R, F> {
    from: R,
    done: u64,
    shown: u64,
    show: F,
}

impl<R: std::io::Read, F: FnMut(u64)> std::io::Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.done += count as u64;
        if self.done - self.shown >= SHOW_EVERY_BYTES {
            self.shown = self.done;
            (self.show)(self.done);
        }
        Ok(count)
    }
}

/// Manifest and configuration must speak of the same layers; gives their chain ids.
pub(crate) fn check_layers(manifest: &Manifest, parsed: &ParsedConfig) -> Result<Vec<Digest>, ImageError> {
    if manifest.layers.len() != parsed.diff_ids.len() {
        return Err(ImageError::malformed(
            "the image's configuration",
            format!(
                "it names {} layers and the manifest {}",
                parsed.diff_ids.len(),
                manifest.layers.len()
            ),
        ));
    }
    Ok(chain_ids(&parsed.diff_ids))
}

/// Runs `work` where blocking harms nobody.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, ImageError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ImageError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ImageError::Broken(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_is_not_told_fits_every_wish() {
        let own = Platform::parse("linux/arm64/v8").unwrap();
        assert!(Platform::parse("arm64").unwrap().fits(&own));
        assert!(!Platform::parse("linux/arm64/v7").unwrap().fits(&own));
        assert!(!Platform::parse("windows/arm64").unwrap().fits(&own));
    }
}
