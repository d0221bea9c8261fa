//! An image of one layer out of a root filesystem in a tar.

use crate::config::changes;
use crate::config::document::{ContainerConfig, Document, Step};
use crate::layer::Unpacked;
use crate::pull::blocking;
use crate::{Image, ImageError, Layer, Phase, Platform, Progress, Store};
use model::Timestamp;
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Lines of a Dockerfile that set the configuration: `CMD ["sh"]`.
    pub changes: Vec<String>,
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
        let bridge = SyncIoBridge::new(tar);
        blocking(move || store.import_blocking(bridge, &options, &progress, &cancel)).await
    }

    fn import_blocking(
        &self,
        mut tar: impl Read,
        options: &ImportOptions,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Image, ImageError> {
        let mut changed = ContainerConfig::default();
        changes::apply(&mut changed, &options.changes)?;
        progress.send_modify(|progress| progress.phase = Phase::Fetching);
        let mut ingest = self.content.begin()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            if cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let count = tar.read(&mut buffer).map_err(ImageError::Read)?;
            if count == 0 {
                break;
            }
            ingest.write(&buffer[..count])?;
            progress.send_modify(|progress| progress.bytes_done += count as u64);
        }
        let (digest, size) = ingest.commit(&self.content, None, "the root filesystem")?;
        progress.send_modify(|progress| progress.phase = Phase::Extracting);
        let diff_id = self.hash_unpacked(&digest, size)?;
        let unpacked_bytes = match self.unpacked_bytes(&diff_id) {
            Some(bytes) => bytes,
            None => {
                let packed = self.content.open_blob(&digest)?;
                self.unpack_layer(&digest, packed, size, &diff_id, &diff_id, cancel)?
            }
        };
        let layer = Layer {
            digest,
            diff_id: diff_id.clone(),
            chain_id: diff_id,
            size_bytes: size,
            unpacked_bytes,
        };
        let image = self.commit_image(&document(options, changed), &[layer])?;
        progress.send_modify(|progress| progress.phase = Phase::Done);
        Ok(image)
    }

    fn hash_unpacked(&self, digest: &Digest, size: u64) -> Result<Digest, ImageError> {
        let mut tar = Unpacked::new(self.content.open_blob(digest)?, size).map_err(ImageError::Read)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = tar.read(&mut buffer).map_err(ImageError::Read)?;
            if count == 0 {
                return Ok(Digest::from_sha256(hash.finalize().into()));
            }
            hash.update(&buffer[..count]);
        }
    }
}

fn document(options: &ImportOptions, config: ContainerConfig) -> Document {
    let platform = Platform::own();
    let created = options.created.to_string();
    Document {
        created: Some(created.clone()),
        architecture: platform.architecture,
        os: platform.os,
        config,
        history: vec![Step {
            created: Some(created),
            comment: options.message.clone().unwrap_or_else(|| "imported".to_owned()),
            ..Step::default()
        }],
        ..Document::default()
    }
}
