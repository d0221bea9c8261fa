//! An image of one layer out of a root filesystem in a tar.

use super::arriving::Arriving;
use crate::config::document::{ContainerConfig, Document, Step};
use crate::content::Ingest;
use crate::growth::{End, Growth};
use crate::layer::{Contents, Packing};
use crate::pull::blocking;
use crate::{Image, ImageError, Layer, Phase, Platform, Progress, Store};
use model::Timestamp;
use model::image::Digest;
use std::io::{BufRead, Read as _};
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What containers made from the image begin with.
    pub config: ContainerConfig,
    /// What its programs are for; `None` is this host's.
    pub platform: Option<Platform>,
    /// Told in the history.
    pub message: Option<String>,
    pub created: Timestamp,
}

impl Store {
    /// Takes a tar, packed or not, as the only layer of a new image.
    pub async fn import<R>(
        &self,
        tar: R,
        options: ImportOptions,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Image, ImageError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let store = self.clone();
        let tar = Arriving::new(tar, &cancel);
        blocking(move || store.import_blocking(tar, &options, &progress, &cancel)).await
    }

    fn import_blocking(
        &self,
        mut tar: impl BufRead,
        options: &ImportOptions,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Image, ImageError> {
        progress.send_modify(|progress| progress.phase = Phase::Fetching);
        let mut head = Vec::new();
        let read = (&mut tar).take(8).read_to_end(&mut head);
        read.map_err(ImageError::Read)?;
        let plain = Packing::of(&head) == Packing::Plain;
        let mut tar = head.as_slice().chain(tar);
        let (digest, size, contents) = if plain {
            self.take_plain(&mut tar, progress, cancel)?
        } else {
            self.take_packed(&mut tar, progress, cancel)?
        };
        let Contents {
            diff_id,
            files_bytes: unpacked_bytes,
        } = contents;
        let layer = Layer {
            digest,
            diff_id: diff_id.clone(),
            chain_id: diff_id,
            size_bytes: size,
            unpacked_bytes,
        };
        let image = self.commit_image(&document(options), &[layer])?;
        progress.send_modify(|progress| progress.phase = Phase::Done);
        Ok(image)
    }

    /// Unpacked while it arrives; who unpacks it hashes it, too.
    fn take_plain(
        &self,
        tar: &mut impl BufRead,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<(Digest, u64, Contents), ImageError> {
        let ingest = self.content.begin_unhashed()?;
        let growth = Arc::new(Growth::default());
        let follower = ingest.follow(growth.clone())?;
        let not_yet_known = Digest::from_sha256([0; 32]);
        let (received, unpacked) = std::thread::scope(|scope| {
            // Nothing grows by unpacking what is not packed.
            let unpacking = scope.spawn(|| self.unpack_lowest(&not_yet_known, follower, u64::MAX, cancel));
            let received = receive(tar, ingest, &growth, progress, cancel);
            growth.end(if received.is_ok() { End::Whole } else { End::Broken });
            let panicked = |_| Err(ImageError::Broken("unpacking panicked".to_owned()));
            (received, unpacking.join().unwrap_or_else(panicked))
        });
        let mut received = received?;
        let contents = match unpacked {
            Ok(contents) => contents,
            Err(ImageError::Unpack { path, source, .. }) => {
                return Err(ImageError::Unpack {
                    layer: received.digest()?,
                    path,
                    source,
                });
            }
            Err(other) => return Err(other),
        };
        let (digest, size) = (contents.diff_id.clone(), received.bytes());
        received.commit_as(&self.content, &digest)?;
        Ok((digest, size, contents))
    }

    /// Unpacked when it is here, since only then is known how much may come out of it.
    fn take_packed(
        &self,
        tar: &mut impl BufRead,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<(Digest, u64, Contents), ImageError> {
        let received = receive(tar, self.content.begin()?, &Growth::default(), progress, cancel)?;
        let (digest, size) = received.commit(&self.content, None, "the root filesystem")?;
        progress.send_modify(|progress| progress.phase = Phase::Extracting);
        let packed = self.content.open_blob(&digest)?;
        let contents = self.unpack_lowest(&digest, packed, size, cancel)?;
        Ok((digest, size, contents))
    }
}

/// Writes down what comes, to its end.
fn receive(
    tar: &mut impl BufRead,
    mut ingest: Ingest,
    growth: &Growth,
    progress: &watch::Sender<Progress>,
    cancel: &CancellationToken,
) -> Result<Ingest, ImageError> {
    loop {
        if cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let piece = match tar.fill_buf() {
            Ok([]) => return Ok(ingest),
            Ok(piece) => piece,
            Err(_) if cancel.is_cancelled() => return Err(ImageError::Cancelled),
            Err(error) => return Err(ImageError::Read(error)),
        };
        ingest.write(piece)?;
        let count = piece.len();
        tar.consume(count);
        growth.reached(ingest.bytes());
        progress.send_modify(|progress| progress.bytes_done += count as u64);
    }
}

fn document(options: &ImportOptions) -> Document {
    let platform = options.platform.clone().unwrap_or_else(Platform::own);
    let created = options.created.to_string();
    Document {
        created: Some(created.clone()),
        architecture: platform.architecture,
        os: platform.os,
        variant: Some(platform.variant).filter(|variant| !variant.is_empty()),
        config: options.config.clone(),
        history: vec![Step {
            created: Some(created),
            comment: options.message.clone().unwrap_or_else(|| "imported".to_owned()),
            ..Step::default()
        }],
        ..Document::default()
    }
}
