//! One blob over the network: taken up again where a connection broke, written and
//! hashed on a thread of its own.

use super::layers::SHOW_EVERY_BYTES;
use super::{Pull, blocking};
use crate::content::Ingest;
use crate::growth::Growth;
use crate::manifest::Descriptor;
use crate::registry::{Pace, Registry};
use crate::{ImageError, LayerState};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A broken connection is taken up again this often without a byte in between.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Pieces on the way from the network to the disk.
const PIECES: usize = 4;
/// When it cannot be unpacked, so much more is fetched to learn whether it is even
/// what was promised.
const WORTH_KNOWING_BYTES: u64 = 64 << 20;

/// How far a blob is, as the network sees it.
struct Sent<'a> {
    layer: &'a Descriptor,
    place: usize,
    bytes: u64,
    shown: u64,
    pieces: mpsc::Sender<Bytes>,
}

impl Pull<'_> {
    /// Fetches a blob into `ingest` and gives it its name.
    pub(super) async fn fetch(
        &self,
        registry: &Registry,
        place: usize,
        layer: &Descriptor,
        ingest: Ingest,
        growth: Arc<Growth>,
    ) -> Result<(), ImageError> {
        let (pieces, received) = mpsc::channel(PIECES);
        let (content, expected, written) = (self.store.content.clone(), layer.clone(), growth.clone());
        let writing = blocking(move || {
            let ingest = write(ingest, received, &written)?;
            ingest.commit(&content, Some(&expected), "a layer").map(drop)
        });
        let sending = async move {
            let mut sent = Sent {
                layer,
                place,
                bytes: 0,
                shown: 0,
                pieces,
            };
            let outcome = self.unless_stopped(self.send_all(registry, &mut sent, &growth)).await;
            drop(sent);
            outcome
        };
        let (sent, written) = tokio::join!(sending, writing);
        match sent {
            // Why writing ended early, it says itself.
            Err(ImageError::Cancelled) => written.and(Err(ImageError::Cancelled)),
            Err(error) => Err(error),
            Ok(()) => written,
        }
    }

    async fn send_all(&self, registry: &Registry, sent: &mut Sent<'_>, growth: &Growth) -> Result<(), ImageError> {
        let mut attempt = 0;
        loop {
            let before = sent.bytes;
            match self.send_some(registry, sent, growth).await {
                Err(error @ ImageError::Unreachable { .. }) => {
                    attempt = if sent.bytes > before { 1 } else { attempt + 1 };
                    if attempt >= ATTEMPTS {
                        return Err(error);
                    }
                    tracing::debug!(%error, attempt, "a layer's connection broke; it is taken up again");
                    tokio::time::sleep(FIRST_PAUSE * attempt).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn send_some(&self, registry: &Registry, sent: &mut Sent<'_>, growth: &Growth) -> Result<(), ImageError> {
        let size = sent.layer.size;
        let (mut response, begins_at) = registry.blob(&sent.layer.digest, sent.bytes).await?;
        // Where it begins again from the start, what we have is passed over.
        let mut known = sent.bytes.saturating_sub(begins_at);
        let mut pace = Pace::new(registry.patience());
        while let Some(mut chunk) = response.chunk().await.map_err(|error| registry.unreachable(&error))? {
            // Also while the disk is slower than the network: then much came at once.
            if !pace.holds(chunk.len()) {
                return Err(registry.too_slow());
            }
            let skipped = known.min(chunk.len() as u64);
            known -= skipped;
            let chunk = chunk.split_off(usize::try_from(skipped).unwrap_or(chunk.len()));
            if chunk.is_empty() {
                continue;
            }
            if sent.bytes + chunk.len() as u64 > size {
                return Err(ImageError::Size {
                    what: "a layer",
                    expected: size,
                    found: sent.bytes + chunk.len() as u64,
                });
            }
            if growth.is_given_up() && size - sent.bytes > WORTH_KNOWING_BYTES {
                return Err(ImageError::Cancelled);
            }
            sent.bytes += chunk.len() as u64;
            if sent.pieces.send(chunk).await.is_err() {
                return Err(ImageError::Cancelled);
            }
            let done = sent.bytes;
            if done - sent.shown >= SHOW_EVERY_BYTES || done == size {
                let state = LayerState::Downloading { done, total: size };
                self.show(sent.place, state, done - sent.shown);
                sent.shown = done;
            }
        }
        Ok(())
    }
}

/// Writes what comes until no more does.
fn write(mut ingest: Ingest, mut pieces: mpsc::Receiver<Bytes>, growth: &Growth) -> Result<Ingest, ImageError> {
    while let Some(piece) = pieces.blocking_recv() {
        ingest.write(&piece)?;
        growth.reached(ingest.bytes());
    }
    Ok(ingest)
}
