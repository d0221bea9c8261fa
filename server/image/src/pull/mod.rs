//! A pull: name → manifest for this platform → config and layers → snapshots.
//!
//! A layer is written down and hashed by one thread while it arrives, inflated by
//! another and unpacked by a third, which follow behind; several layers at once, since
//! none needs those below it. What fails stops the rest, and nothing runs on when a
//! pull is over; the layers that it finished are kept for the next.

mod blob;
mod interrupted;
mod layers;
mod turns;

pub(crate) use interrupted::Interrupted;
pub(crate) use turns::Turns;

use crate::config::{self, ParsedConfig};
use crate::layer::chain_ids;
use crate::manifest::{self, Descriptor, Document, Manifest};
use crate::registry::{Reach, Registry, Wish};
use crate::{Image, ImageError, Layer, LayerProgress, LayerState, Phase, Platform, Progress, Store};
use model::image::{Digest, Reference};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// `None` is this host's.
    pub platform: Option<Platform>,
    /// Asked first, in this order.
    pub mirrors: Vec<Mirror>,
    /// How the image's own registry is reached.
    pub reach: Reach,
}

/// Another place that has a registry's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `https://…`, or `http://` on this host and where TLS is off.
    pub url: String,
    pub reach: Reach,
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub image: Image,
    /// What the name meant in the registry: an index of several platforms, or the manifest.
    pub named: Digest,
}

/// A pull under way.
struct Pull<'a> {
    store: &'a Store,
    progress: &'a watch::Sender<Progress>,
    /// Cancelled from outside, or since a part of it failed.
    stop: CancellationToken,
}

impl Store {
    /// Fetches an image and unpacks it. What is here already is not fetched again.
    pub async fn pull(
        &self,
        reference: &Reference,
        options: PullOptions,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Pulled, ImageError> {
        let pull = Pull {
            store: self,
            progress: &progress,
            stop: cancel.child_token(),
        };
        let outcome = pull.run(reference, &options).await;
        if cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        outcome
    }
}

impl Pull<'_> {
    async fn run(&self, reference: &Reference, options: &PullOptions) -> Result<Pulled, ImageError> {
        let mut failure = None;
        for registry in self.registries(reference, options)? {
            // What failed has stopped its own parts only.
            let pull = Pull {
                stop: self.stop.child_token(),
                ..*self
            };
            match pull.from(&registry, reference, options).await {
                Ok(pulled) => return Ok(pulled),
                Err(error) if self.stop.is_cancelled() => return Err(error),
                // A mirror that fails is as good as none.
                Err(error) => {
                    tracing::debug!(registry = registry.host(), %error, "a registry did not give the image");
                    failure = Some(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| ImageError::NotFound(reference.short())))
    }

    fn registries(&self, reference: &Reference, options: &PullOptions) -> Result<Vec<Registry>, ImageError> {
        let clients = &self.store.clients;
        let mirrors = options.mirrors.iter();
        let mut registries: Vec<Registry> = mirrors
            .filter_map(|mirror| Registry::mirror(clients, &mirror.url, reference, mirror.reach.clone()))
            .collect();
        registries.push(Registry::of(clients, reference, options.reach.clone(), &Wish::Pull)?);
        Ok(registries)
    }

    async fn from(
        &self,
        registry: &Registry,
        reference: &Reference,
        options: &PullOptions,
    ) -> Result<Pulled, ImageError> {
        self.progress.send_replace(Progress::default());
        let (named, digest, manifest) = self.unless_stopped(self.resolve(registry, reference, options)).await?;
        let json = self.unless_stopped(self.document(registry, &manifest.config)).await?;
        let parsed = config::parse(&json)?;
        let chain = check_layers(&manifest, &parsed)?;
        self.begin_layers(&manifest, &chain);
        let mut image = to_come(&manifest, &digest, &parsed, &chain);
        match self.bring_parts(registry, &manifest, &parsed, &image, &named).await {
            Ok(unpacked) => {
                for (layer, unpacked_bytes) in image.layers.iter_mut().zip(unpacked) {
                    layer.unpacked_bytes = unpacked_bytes;
                }
                self.store.interrupted.forget(&image);
                self.progress.send_modify(|progress| progress.phase = Phase::Done);
                Ok(Pulled { image, named })
            }
            Err(error) => {
                if goes_on_later(&error) {
                    self.store.interrupted.note(image);
                }
                Err(error)
            }
        }
    }

    /// Gives the unpacked size of each layer.
    async fn bring_parts(
        &self,
        registry: &Registry,
        manifest: &Manifest,
        parsed: &ParsedConfig,
        image: &Image,
        named: &Digest,
    ) -> Result<Vec<u64>, ImageError> {
        let chain: Vec<Digest> = image.layers.iter().map(|layer| layer.chain_id.clone()).collect();
        let unpacked = self.bring_layers(registry, manifest, parsed, &chain).await?;
        let referrers = Box::pin(self.store.bring_referrers(registry, &image.manifest, named));
        match self.unless_stopped(referrers).await {
            // The image is as good without them.
            Err(error) if !self.stop.is_cancelled() => {
                let image = &image.manifest;
                tracing::warn!(registry = registry.host(), %image, %error, "artifacts of an image did not come");
            }
            outcome => outcome?,
        }
        let content = self.store.content.clone();
        blocking(move || content.settle_soon()).await?;
        Ok(unpacked)
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, ImageError>>) -> Result<T, ImageError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(ImageError::Cancelled),
            outcome = work => outcome,
        }
    }

    /// By digest from the first answer on: nothing can change in between.
    async fn resolve(
        &self,
        registry: &Registry,
        reference: &Reference,
        options: &PullOptions,
    ) -> Result<(Digest, Digest, Manifest), ImageError> {
        let wanted = options.platform.clone().unwrap_or_else(Platform::own);
        let mut name = reference.manifest_name().to_owned();
        let mut promised: Option<Digest> = reference.digest().cloned();
        let mut named = None;
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
            if let Some(expected) = promised.or(fetched.digest).filter(|expected| *expected != found) {
                return Err(ImageError::Digest {
                    what: "the manifest",
                    expected,
                    found,
                });
            }
            let named = named.get_or_insert_with(|| found.clone());
            match manifest::parse(&fetched.body, fetched.media_type.as_deref())? {
                Document::Manifest(manifest) => {
                    self.store.content.put(&fetched.body)?;
                    return Ok((named.clone(), found, manifest));
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
}

/// Whether the next try may succeed where this did not: a full disk, and what is not what
/// was promised, stay so.
fn goes_on_later(error: &ImageError) -> bool {
    matches!(
        error,
        ImageError::Cancelled
            | ImageError::NotFound(_)
            | ImageError::Unauthorized { .. }
            | ImageError::TooManyRequests(_)
            | ImageError::Unreachable { .. }
            | ImageError::TooSlow { .. }
            | ImageError::Answer { .. }
    )
}

/// The image as it will be, but for the unpacked sizes.
fn to_come(manifest: &Manifest, digest: &Digest, parsed: &ParsedConfig, chain: &[Digest]) -> Image {
    let descriptors = manifest.layers.iter().zip(&parsed.diff_ids).zip(chain);
    let layers = descriptors.map(|((descriptor, diff_id), chain_id)| Layer {
        digest: descriptor.digest.clone(),
        diff_id: diff_id.clone(),
        chain_id: chain_id.clone(),
        size_bytes: descriptor.size,
        unpacked_bytes: 0,
    });
    let layers: Vec<Layer> = layers.collect();
    Image {
        id: manifest.config.digest.clone(),
        manifest: digest.clone(),
        config: parsed.config.clone(),
        created: parsed.created,
        size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
        layers,
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
