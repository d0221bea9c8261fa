//! What images and cached build steps need on the disk. A part that several need is freed
//! with the last of them. Every figure of freed bytes comes from here.

use super::bring::kept;
use super::failed;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::EngineError;
use image::{Image, Store};
use model::image::Digest;
use std::collections::{HashMap, HashSet};
use store::images::LayerRow;

/// Something on the disk that is removed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Blob(Digest),
    /// An unpacked layer, by its chain ID.
    Snapshot(Digest),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entry {
    bytes: u64,
    /// Images and cached steps that need it.
    users: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    entries: HashMap<Part, Entry>,
    images: HashMap<Digest, Vec<Part>>,
    cached_steps: Vec<Vec<Part>>,
    /// What pulls that did not finish have brought.
    interrupted: Vec<Vec<Part>>,
}

/// What an image takes on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageSize {
    /// With what others need too.
    pub bytes: u64,
    /// What removing this image alone would free.
    pub freed_bytes: u64,
    /// Of each layer, packed and unpacked, the lowest first.
    pub layers: Vec<u64>,
}

impl Engine {
    /// The sizes of all images, also of those that are removed while containers need them.
    pub async fn image_sizes(&self) -> Result<HashMap<Digest, ImageSize>, EngineError> {
        let rows = store::images::list_all(&mut *self.inner.database().read().await?).await?;
        let ledger = self.ledger().await?;
        let sizes = rows.into_iter().map(|row| {
            let size = ImageSize {
                bytes: ledger.bytes([&row.id]),
                freed_bytes: ledger.freed([&row.id]),
                layers: row.layers.iter().map(|layer| ledger.layer_bytes(layer)).collect(),
            };
            (row.id, size)
        });
        Ok(sizes.collect())
    }

    pub(super) async fn ledger(&self) -> Result<Ledger, EngineError> {
        let rows = store::images::list_all(&mut *self.inner.database().read().await?).await?;
        let steps = crate::builds::kept_by_cache(&self.inner).await?;
        let engine = self.inner.clone();
        blocking("measure images", move || {
            let images: Vec<Image> = rows.into_iter().map(kept).collect();
            Ledger::new(&engine.images, &images, &steps)
        })
        .await
    }
}

impl Ledger {
    fn new(store: &Store, images: &[Image], cached_steps: &[Image]) -> Result<Self, EngineError> {
        let mut ledger = Self::default();
        for image in images {
            let referrers = store
                .blobs_of_referrers(&image.manifest)
                .map_err(|error| failed(image.id.short(), &error))?;
            let mut parts = parts_of(image);
            parts.extend(referrers.into_iter().map(Part::Blob));
            let parts = ledger.add(store, parts);
            ledger.images.insert(image.id.clone(), parts);
        }
        for step in cached_steps {
            let parts = ledger.add(store, parts_of(step));
            ledger.cached_steps.push(parts);
        }
        for pull in store.interrupted_pulls() {
            let parts = ledger.add(store, parts_of(&pull));
            ledger.interrupted.push(parts);
        }
        Ok(ledger)
    }

    fn add(&mut self, store: &Store, parts: HashSet<Part>) -> Vec<Part> {
        for part in &parts {
            let entry = self.entries.entry(part.clone()).or_insert_with(|| Entry {
                bytes: match part {
                    Part::Blob(digest) => store.blob_disk_bytes(digest),
                    Part::Snapshot(chain_id) => store.snapshot_disk_bytes(chain_id),
                },
                users: 0,
            });
            entry.users += 1;
        }
        parts.into_iter().collect()
    }

    fn parts<'l>(&'l self, ids: impl IntoIterator<Item = &'l Digest>) -> impl Iterator<Item = &'l Part> {
        ids.into_iter().filter_map(|id| self.images.get(id)).flatten()
    }

    /// What these images take, shared parts once.
    pub(super) fn bytes<'l>(&'l self, ids: impl IntoIterator<Item = &'l Digest>) -> u64 {
        let parts: HashSet<&Part> = self.parts(ids).collect();
        parts.into_iter().map(|part| self.entries[part].bytes).sum()
    }

    /// What removing these images alone frees.
    pub(super) fn freed<'l>(&'l self, ids: impl IntoIterator<Item = &'l Digest>) -> u64 {
        self.freed_with(self.parts(ids))
    }

    /// What a clean-up frees that takes these images, and what unfinished pulls have
    /// brought; with `cache`, all cached steps too.
    pub(super) fn freed_by_pruning<'l>(&'l self, ids: impl IntoIterator<Item = &'l Digest>, cache: bool) -> u64 {
        let steps = self.cached_steps.iter().filter(|_| cache).flatten();
        self.freed_with(self.parts(ids).chain(self.interrupted.iter().flatten()).chain(steps))
    }

    fn freed_with<'l>(&'l self, parts: impl Iterator<Item = &'l Part>) -> u64 {
        let mut going: HashMap<&Part, u32> = HashMap::new();
        for part in parts {
            *going.entry(part).or_default() += 1;
        }
        let freed = going.into_iter().filter_map(|(part, count)| {
            let entry = self.entries[part];
            (entry.users == count).then_some(entry.bytes)
        });
        freed.sum()
    }

    pub(super) fn cached_steps(&self) -> usize {
        self.cached_steps.len()
    }

    /// Packed and unpacked.
    pub(super) fn layer_bytes(&self, layer: &LayerRow) -> u64 {
        let parts = [Part::Blob(layer.digest.clone()), Part::Snapshot(layer.chain_id.clone())];
        let entries = parts.iter().filter_map(|part| self.entries.get(part));
        entries.map(|entry| entry.bytes).sum()
    }
}

fn parts_of(image: &Image) -> HashSet<Part> {
    let blobs = [&image.id, &image.manifest]
        .into_iter()
        .chain(image.layers.iter().map(|layer| &layer.digest));
    let snapshots = image.layers.iter().map(|layer| Part::Snapshot(layer.chain_id.clone()));
    blobs.cloned().map(Part::Blob).chain(snapshots).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images and cached steps by what they need; a part's number is its bytes.
    fn ledger(images: &[(u8, &[u8])], steps: &[&[u8]]) -> Ledger {
        let part = |number: &u8| Part::Blob(digest(*number));
        let mut ledger = Ledger::default();
        let mut add = |numbers: &[u8]| {
            for number in numbers {
                let entry = ledger.entries.entry(part(number)).or_default();
                *entry = Entry {
                    bytes: u64::from(*number),
                    users: entry.users + 1,
                };
            }
            numbers.iter().map(part).collect::<Vec<_>>()
        };
        let held: Vec<_> = images.iter().map(|(id, parts)| (digest(*id), add(parts))).collect();
        let steps = steps.iter().map(|parts| add(parts)).collect();
        ledger.images = held.into_iter().collect();
        ledger.cached_steps = steps;
        ledger
    }

    fn digest(number: u8) -> Digest {
        Digest::from_sha256([number; 32])
    }

    #[test]
    fn a_part_is_freed_with_the_last_that_needs_it() {
        let ledger = ledger(&[(1, &[10, 20]), (2, &[10, 30])], &[]);
        let (one, two) = (digest(1), digest(2));
        assert_eq!((ledger.bytes([&one]), ledger.bytes([&one, &two])), (30, 60));
        assert_eq!(ledger.freed([&one]), 20);
        assert_eq!(ledger.freed([&one, &two]), 60);
    }

    #[test]
    fn what_the_build_cache_needs_is_freed_with_the_cache_only() {
        let ledger = ledger(&[(1, &[10, 20]), (2, &[30])], &[&[10], &[10, 40]]);
        let one = digest(1);
        assert_eq!(ledger.freed([&one]), 20);
        assert_eq!(ledger.freed_by_pruning([&one], true), 70);
        assert_eq!(ledger.freed_by_pruning([], true), 40);
    }
}
