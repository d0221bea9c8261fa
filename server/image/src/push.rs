//! An image to a registry: its blobs side by side, then its manifest.

use crate::commit::IngestWriter;
use crate::layer::{Packed, Packing};
use crate::manifest::{self, Descriptor, Document, Manifest};
use crate::pull::blocking;
use crate::registry::{Mount, Reach, Registry, Upload, Wish};
use crate::{Image, ImageError, LayerProgress, LayerState, Phase, Progress, Store};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use model::image::{Digest, Reference};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use tokio::sync::watch;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

/// Blobs under way at once.
const AT_ONCE: usize = 4;
/// A connection that breaks is taken up again this often without a byte in between.
const ATTEMPTS: u32 = 4;
const PIECE_BYTES: usize = 256 << 10;

#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    pub reach: Reach,
    /// Other repositories of the same registry that probably have these blobs.
    pub others: HashMap<Digest, Vec<String>>,
    /// Also what refers to the image, as far as it is here.
    pub referrers: bool,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// By which the registry knows it.
    pub manifest: Digest,
    pub manifest_bytes: u64,
    /// So many artifacts went with it.
    pub referrers: usize,
    /// The image as it was pushed: layers that lay here unpacked are packed now.
    pub image: Image,
}

pub(crate) struct Push<'a> {
    pub(crate) store: &'a Store,
    pub(crate) registry: Registry,
    others: &'a HashMap<Digest, Vec<String>>,
    with_referrers: bool,
    progress: &'a watch::Sender<Progress>,
    stop: CancellationToken,
}

impl Store {
    /// Sends an image to the registry of `reference`, under its tag. What the registry
    /// has already is not sent again.
    pub async fn push(
        &self,
        image: Image,
        reference: &Reference,
        options: PushOptions,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Pushed, ImageError> {
        let others: BTreeSet<String> = options.others.values().flatten().cloned().collect();
        let wish = Wish::Push(others.into_iter().collect());
        let push = Push {
            store: self,
            registry: Registry::of(&self.clients, reference, options.reach, &wish)?,
            others: &options.others,
            with_referrers: options.referrers,
            progress: &progress,
            stop: cancel.child_token(),
        };
        let outcome = push.run(image, reference).await;
        if cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        outcome
    }
}

impl Push<'_> {
    async fn run(&self, image: Image, reference: &Reference) -> Result<Pushed, ImageError> {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        let (image, json) = blocking(move || store.packed_for_push(image, &stop)).await?;
        let media_type = manifest::media_type(&json)?;
        let Document::Manifest(manifest) = manifest::parse(&json, None)? else {
            return Err(ImageError::malformed("the manifest", "it is an index"));
        };
        self.begin(&manifest);
        self.send_blobs(&manifest).await?;
        let manifest_bytes = json.len() as u64;
        let name = reference.tag().unwrap_or(image.manifest.as_str()).to_owned();
        self.unless_stopped(self.registry.put_manifest(&name, &media_type, json, &image.manifest))
            .await?;
        let referrers = if self.with_referrers {
            self.send_referrers(&image.manifest).await?
        } else {
            0
        };
        self.progress.send_modify(|progress| progress.phase = Phase::Done);
        Ok(Pushed {
            referrers,
            manifest: image.manifest.clone(),
            manifest_bytes,
            image,
        })
    }

    fn begin(&self, manifest: &Manifest) {
        self.progress.send_modify(|progress| {
            progress.phase = Phase::Sending;
            progress.bytes_total = manifest.layers.iter().map(|layer| layer.size).sum();
            progress.layers = manifest
                .layers
                .iter()
                .map(|layer| LayerProgress {
                    digest: layer.digest.clone(),
                    state: LayerState::Waiting,
                })
                .collect();
        });
    }

    async fn send_blobs(&self, manifest: &Manifest) -> Result<(), ImageError> {
        let mut known = HashSet::new();
        let mut wanted = Vec::new();
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if known.insert(&blob.digest) {
                wanted.push(self.send_blob(blob));
            }
        }
        let mut running = stream::iter(wanted).buffer_unordered(AT_ONCE);
        let mut failure = None;
        while let Some(outcome) = running.next().await {
            if let Err(error) = outcome {
                self.stop.cancel();
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    pub(crate) async fn send_blob(&self, blob: &Descriptor) -> Result<(), ImageError> {
        if self.unless_stopped(self.registry.has_blob(&blob.digest)).await? {
            self.show(blob, LayerState::AlreadyHere);
            return Ok(());
        }
        for other in self.others.get(&blob.digest).into_iter().flatten() {
            match self.unless_stopped(self.registry.mount(&blob.digest, other)).await {
                Ok(Mount::Done) => {
                    self.show(blob, LayerState::AlreadyHere);
                    return Ok(());
                }
                // It begins an upload instead, which serves as well.
                Ok(Mount::Begun(upload)) => return self.send_to(blob, upload).await,
                Err(ImageError::Cancelled) => return Err(ImageError::Cancelled),
                Err(error) => tracing::debug!(%error, from = other, "a blob is not taken over"),
            }
        }
        let upload = self.unless_stopped(self.registry.begin_upload()).await?;
        self.send_to(blob, upload).await
    }

    async fn send_to(&self, blob: &Descriptor, mut upload: Upload) -> Result<(), ImageError> {
        let (mut offset, mut attempt) = (0, 0);
        loop {
            match self.unless_stopped(self.send_from(blob, &upload, offset)).await {
                Ok(after) => {
                    self.unless_stopped(self.registry.finish_upload(&after, &blob.digest))
                        .await?;
                    self.show(blob, LayerState::Done);
                    return Ok(());
                }
                Err(error @ ImageError::Unreachable { .. }) => {
                    attempt += 1;
                    if attempt >= ATTEMPTS {
                        return Err(error);
                    }
                    tracing::debug!(%error, attempt, "an upload broke off; it is taken up again");
                    // Where the registry cannot say how far it is, it begins again.
                    let before = offset;
                    (offset, upload) = match self.unless_stopped(self.registry.sent(&upload)).await {
                        Ok(reached) if reached.0 <= blob.size => reached,
                        Ok(_) | Err(ImageError::Answer { .. } | ImageError::NotFound(_)) => {
                            (0, self.unless_stopped(self.registry.begin_upload()).await?)
                        }
                        Err(error) => return Err(error),
                    };
                    if offset > before {
                        attempt = 0;
                    }
                }
                Err(error) => {
                    if self.stop.is_cancelled() {
                        self.registry.cancel_upload(&upload).await;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn send_from(&self, blob: &Descriptor, upload: &Upload, offset: u64) -> Result<Upload, ImageError> {
        if offset == blob.size && offset > 0 {
            return Ok(upload.clone());
        }
        let mut file = self.store.content.open_blob(&blob.digest)?;
        let moved = file.seek(SeekFrom::Start(offset));
        moved.map_err(ImageError::file("read", self.store.content.path(&blob.digest)))?;
        let bytes = self.shown(blob.clone(), offset, tokio::fs::File::from_std(file));
        self.registry.send(upload, offset, blob.size, bytes).await
    }

    /// The bytes of a file, which show themselves when they go.
    fn shown(
        &self,
        blob: Descriptor,
        offset: u64,
        file: tokio::fs::File,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let progress = self.progress.clone();
        let mut done = offset;
        ReaderStream::with_capacity(file, PIECE_BYTES).map(move |piece| {
            if let Ok(piece) = &piece {
                done += piece.len() as u64;
                let total = blob.size;
                show(&progress, &blob, LayerState::Uploading { done, total });
            }
            piece
        })
    }

    fn show(&self, blob: &Descriptor, state: LayerState) {
        show(self.progress, blob, state);
    }

    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, ImageError>>,
    ) -> Result<T, ImageError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(ImageError::Cancelled),
            outcome = work => outcome,
        }
    }
}

fn show(progress: &watch::Sender<Progress>, blob: &Descriptor, state: LayerState) {
    progress.send_modify(|progress| {
        let mut bytes_done = 0;
        for layer in &mut progress.layers {
            if layer.digest == blob.digest {
                layer.state = state;
            }
            bytes_done += match layer.state {
                LayerState::Uploading { done, .. } => done,
                _ => 0,
            };
        }
        progress.bytes_done = progress.bytes_done.max(bytes_done);
    });
}

impl Store {
    /// The image with its layers packed, as registries have them, and its manifest's
    /// text. A manifest that says the truth about its layers stays as it is. Blocks.
    fn packed_for_push(&self, image: Image, stop: &CancellationToken) -> Result<(Image, Vec<u8>), ImageError> {
        let json = self.content.read(&image.manifest)?;
        let said = manifest::layer_media_types(&json)?;
        let mut image = image;
        let mut packings = Vec::with_capacity(image.layers.len());
        for layer in &mut image.layers {
            let packing = self.packing_of(&layer.digest)?;
            if packing == Packing::Plain {
                (layer.digest, layer.size_bytes) = self.pack_blob(&layer.digest, stop)?;
                packings.push(Packing::default());
            } else {
                packings.push(packing);
            }
        }
        let mut digests = said.iter().map(|(digest, media_type)| (digest, media_type.as_str()));
        let is_true = said.len() == image.layers.len()
            && image.layers.iter().zip(&packings).all(|(layer, packing)| {
                digests.next().is_some_and(|(digest, media_type)| {
                    *digest == layer.digest && Packing::named(media_type).is_none_or(|named| named == *packing)
                })
            });
        if is_true {
            return Ok((image, json));
        }
        let config = self.content.read(&image.id)?;
        let manifest = Manifest {
            config: Descriptor {
                digest: image.id.clone(),
                size: config.len() as u64,
            },
            layers: image
                .layers
                .iter()
                .map(|layer| Descriptor {
                    digest: layer.digest.clone(),
                    size: layer.size_bytes,
                })
                .collect(),
        };
        image.manifest = self.put_manifest(&manifest)?;
        image.size_bytes = image.layers.iter().map(|layer| layer.size_bytes).sum();
        self.content.settle_soon()?;
        let json = self.content.read(&image.manifest)?;
        Ok((image, json))
    }

    fn pack_blob(&self, digest: &Digest, stop: &CancellationToken) -> Result<(Digest, u64), ImageError> {
        let mut file = self.content.open_blob(digest)?;
        let failed = || ImageError::file("pack", self.content.path(digest));
        let mut packed = Packed::new(Packing::default(), IngestWriter(self.content.begin()?)).map_err(failed())?;
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            if stop.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let count = file.read(&mut buffer).map_err(failed())?;
            if count == 0 {
                break;
            }
            io::Write::write_all(&mut packed, &buffer[..count]).map_err(failed())?;
        }
        packed
            .finish()
            .map_err(failed())?
            .0
            .commit(&self.content, None, "a layer")
    }
}
