//! All layers of an image, several at once, each unpacked while it arrives.

use super::{Pull, blocking};
use crate::config::ParsedConfig;
use crate::growth::{End, Growth};
use crate::manifest::{Descriptor, Manifest};
use crate::registry::Registry;
use crate::{ImageError, LayerState};
use futures_util::{StreamExt as _, stream};
use model::image::Digest;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

/// Layers under way at once.
const AT_ONCE: usize = 4;
/// Progress is shown after so many bytes.
pub(super) const SHOW_EVERY_BYTES: u64 = 256 << 10;

/// A place in the image: what lies there, and what it is to become.
#[derive(Debug, Clone)]
struct Place {
    number: usize,
    diff_id: Digest,
    chain_id: Digest,
}

/// A blob and where it is unpacked: the same one may lie in several places.
struct Job<'a> {
    layer: &'a Descriptor,
    places: Vec<Place>,
}

impl Pull<'_> {
    /// Gives the unpacked size of each layer.
    pub(super) async fn bring_layers(
        &self,
        registry: &Registry,
        manifest: &Manifest,
        parsed: &ParsedConfig,
        chain: &[Digest],
    ) -> Result<Vec<u64>, ImageError> {
        let mut wanted = Vec::new();
        for job in self.jobs(manifest, parsed, chain) {
            wanted.push(self.bring(registry, job));
        }
        let mut running = stream::iter(wanted).buffer_unordered(AT_ONCE);
        let mut failure = None;
        // Waited for also after a failure: nothing runs on behind it.
        while let Some(outcome) = running.next().await {
            if let Err(error) = outcome {
                self.stop.cancel();
                failure.get_or_insert(error);
            }
        }
        drop(running);
        match failure {
            Some(error) => Err(error),
            None => chain.iter().map(|chain_id| self.unpacked(chain_id)).collect(),
        }
    }

    fn unpacked(&self, chain_id: &Digest) -> Result<u64, ImageError> {
        let bytes = self.store.unpacked_bytes(chain_id);
        bytes.ok_or_else(|| ImageError::Broken(format!("the layer {} is gone again", chain_id.short())))
    }

    /// What is to be done, the largest first, so that no large one is begun last.
    fn jobs<'a>(&self, manifest: &'a Manifest, parsed: &ParsedConfig, chain: &[Digest]) -> Vec<Job<'a>> {
        let mut jobs: HashMap<&Digest, Job<'a>> = HashMap::new();
        for (number, layer) in manifest.layers.iter().enumerate() {
            // The same layer, packed otherwise, may be here: then its own bytes still lack.
            let is_unpacked = self.store.unpacked_bytes(&chain[number]).is_some();
            if is_unpacked && self.store.content.has(&layer.digest) {
                continue;
            }
            let places = Vec::new();
            jobs.entry(&layer.digest)
                .or_insert(Job { layer, places })
                .places
                .push(Place {
                    number,
                    diff_id: parsed.diff_ids[number].clone(),
                    chain_id: chain[number].clone(),
                });
        }
        let mut jobs: Vec<Job<'a>> = jobs.into_values().collect();
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.layer.size), job.places[0].number));
        jobs
    }

    async fn bring(&self, registry: &Registry, job: Job<'_>) -> Result<(), ImageError> {
        let turn = async { Ok(self.store.turns.wait(&job.layer.digest).await) };
        let _turn = self.unless_stopped(turn).await?;
        let mut places = job.places.iter();
        if !self.store.content.has(&job.layer.digest)
            && let Some(first) = places.next()
        {
            self.fetch_and_unpack(registry, job.layer, first).await?;
        }
        for place in places {
            self.unpack_kept(registry, job.layer, place).await?;
        }
        Ok(())
    }

    async fn fetch_and_unpack(&self, registry: &Registry, layer: &Descriptor, place: &Place) -> Result<(), ImageError> {
        let ingest = self.store.content.begin()?;
        let growth = Arc::new(Growth::default());
        let follower = ingest.follow(growth.clone())?;
        let fetching = async {
            let outcome = self.fetch(registry, place.number, layer, ingest, growth.clone()).await;
            growth.end(if outcome.is_ok() { End::Whole } else { End::Broken });
            outcome
        };
        let (fetched, unpacked) = tokio::join!(fetching, self.unpack(layer, place, follower, Some(growth.clone())));
        // A blob that is not what was promised is why it does not unpack.
        fetched?;
        unpacked?;
        self.show(place.number, LayerState::Done, 0);
        Ok(())
    }

    /// From a blob that was here. Should it be damaged, it is fetched again.
    async fn unpack_kept(&self, registry: &Registry, layer: &Descriptor, place: &Place) -> Result<(), ImageError> {
        let file = self.store.content.open_blob(&layer.digest)?;
        let outcome = self.unpack(layer, place, file, None).await;
        let (content, digest) = (self.store.content.clone(), layer.digest.clone());
        if outcome.is_ok() || self.stop.is_cancelled() || blocking(move || content.is_whole(&digest)).await? {
            return outcome;
        }
        tracing::warn!(layer = %layer.digest, "a kept layer is damaged and is fetched again");
        self.store.content.remove(&layer.digest)?;
        self.fetch_and_unpack(registry, layer, place).await
    }

    async fn unpack(
        &self,
        layer: &Descriptor,
        place: &Place,
        from: impl Read + Send + 'static,
        growth: Option<Arc<Growth>>,
    ) -> Result<(), ImageError> {
        let (store, stop, progress) = (self.store.clone(), self.stop.clone(), self.progress.clone());
        let (number, total) = (place.number, layer.size);
        let (layer, place) = (layer.clone(), place.clone());
        let unpacking = blocking(move || {
            if store.unpacked_bytes(&place.chain_id).is_some() {
                return Ok(());
            }
            let packed = Counted {
                from,
                done: 0,
                shown: 0,
                // While it arrives, that is what is shown.
                show: |done| {
                    if growth.as_ref().is_none_or(|growth| growth.has_ended()) {
                        progress.send_modify(|progress| {
                            if let Some(shown) = progress.layers.get_mut(number) {
                                shown.state = LayerState::Extracting { done, total };
                            }
                        });
                    }
                },
            };
            let (diff_id, chain_id) = (&place.diff_id, &place.chain_id);
            let unpacked = store.unpack_layer(&layer.digest, packed, layer.size, diff_id, chain_id, &stop);
            if let (Err(_), Some(growth)) = (&unpacked, &growth) {
                growth.give_up();
            }
            unpacked.map(drop)
        })
        .await;
        if unpacking.is_ok() {
            self.show(number, LayerState::Done, 0);
        }
        unpacking
    }

    pub(super) fn show(&self, place: usize, state: LayerState, more_bytes: u64) {
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

impl<R: Read, F: FnMut(u64)> Read for Counted<R, F> {
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
