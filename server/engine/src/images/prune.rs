//! Cleaning up: what would go is told before anything does, and is what then goes.

use super::bring::kept;
use super::remove::remove_references;
use super::view::Image;
use crate::blocking::blocking;
use crate::clock;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use model::Timestamp;
use model::event::{Action, Subject};
use model::image::{Digest, Reference};
use std::collections::HashSet;
use std::time::Duration;
use store::images::ImageRow;

/// Who brings images is waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What may go. By default images without a name and without a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneRules {
    /// Also images that have names.
    pub unused: bool,
    /// Only what was not used, or came, before this long.
    pub older_than: Option<Duration>,
    /// Only as many, the longest unused first, as bring all images to this size on the disk.
    pub keep_bytes: Option<u64>,
    /// Only these.
    pub only: Option<Vec<Digest>>,
}

/// What goes, or went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    pub images: Vec<PrunedImage>,
    /// On the disk, of all together: what stays needs none of it.
    pub freed_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedImage {
    pub id: Digest,
    pub tags: Vec<Reference>,
    /// What it was pulled or pushed by.
    pub digests: Vec<Reference>,
    /// On the disk, whatever else needs it too.
    pub size_bytes: u64,
    /// When a container last used it.
    pub used: Option<Timestamp>,
}

impl Engine {
    /// What [`Engine::prune_images`] would do now. `allows` sorts out further.
    pub async fn preview_prune(
        &self,
        rules: &PruneRules,
        allows: impl Fn(&Image) -> bool + Send + Sync,
    ) -> Result<Pruned, EngineError> {
        let (going, staying) = self.sort_out(rules, allows).await?;
        self.measure(going, staying).await
    }

    /// Removes images by rules, and what nobody needs any more. Waits for pulls and
    /// builds, which none of it is taken from.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when images are still being brought after half a
    /// minute; then nothing was removed.
    pub async fn prune_images(
        &self,
        rules: &PruneRules,
        allows: impl Fn(&Image) -> bool + Send + Sync,
    ) -> Result<Pruned, EngineError> {
        let waiting = tokio::time::timeout(PATIENCE, self.inner.leases.keep_out());
        let alone = waiting.await.map_err(|_| {
            EngineError::Conflict("images are being pulled or built; prune again when that is done".to_owned())
        })?;
        // What was left before is none of this.
        self.collect_with(&alone).await?;
        let (going, staying) = self.sort_out(rules, allows).await?;
        let (mut gone, mut kept_rows) = (Vec::new(), staying);
        for (row, references) in going {
            if self.forget_unused(&row.id, &references).await? {
                gone.push((row, references));
            } else {
                // A container uses it, or it got a tag, meanwhile.
                kept_rows.push(row);
            }
        }
        let promised = self.measure(gone, kept_rows).await?;
        self.collect_with(&alone).await?;
        self.record_prune(Subject::Image(String::new()), promised.freed_bytes)
            .await?;
        Ok(promised)
    }

    /// Tells that everything unused of a kind was removed; `subject` has no id.
    pub async fn record_prune(&self, subject: Subject, reclaimed_bytes: u64) -> Result<(), EngineError> {
        let mut change = self.inner.journal.change().await?;
        let facts = vec![("reclaimed".to_owned(), reclaimed_bytes.to_string())];
        change.event(subject, Action::Prune, facts).await?;
        change.commit(|| {}).await
    }

    async fn sort_out(
        &self,
        rules: &PruneRules,
        allows: impl Fn(&Image) -> bool + Send + Sync,
    ) -> Result<(Vec<(ImageRow, Vec<Reference>)>, Vec<ImageRow>), EngineError> {
        let images = self.images().await?.items;
        let rows = store::images::list(&mut *self.inner.database().read().await?).await?;
        let oldest = rules
            .older_than
            .map(|age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        let oldest = oldest.map(|age| clock::now().as_unix_nanos().saturating_sub(age));
        let (mut going, mut staying) = (Vec::new(), Vec::new());
        for row in rows {
            let Some(image) = images.iter().find(|image| image.id == row.id) else {
                continue;
            };
            let last = row.used.unwrap_or(row.added).as_unix_nanos();
            let goes = image.containers.is_empty()
                && (rules.unused || image.tags.is_empty())
                && oldest.is_none_or(|oldest| last <= oldest)
                && rules.only.as_ref().is_none_or(|only| only.contains(&row.id))
                && allows(image);
            if goes {
                let references = image.tags.iter().chain(&image.digests).cloned().collect();
                going.push((row, references));
            } else {
                staying.push(row);
            }
        }
        going.sort_by_key(|(row, _)| row.used.unwrap_or(row.added));
        if let Some(most) = rules.keep_bytes {
            let (fewer, more) = self.until_small(going, &staying, most).await?;
            going = fewer;
            staying.extend(more);
        }
        Ok((going, staying))
    }

    /// As many of `going`, in their order, as bring all to `most` bytes; and the rest.
    async fn until_small(
        &self,
        going: Vec<(ImageRow, Vec<Reference>)>,
        staying: &[ImageRow],
        most: u64,
    ) -> Result<(Vec<(ImageRow, Vec<Reference>)>, Vec<ImageRow>), EngineError> {
        let (engine, staying) = (self.inner.clone(), staying.to_vec());
        blocking("measure images", move || {
            let total = |rest: &[(ImageRow, Vec<Reference>)]| {
                let rows = staying.iter().chain(rest.iter().map(|(row, _)| row));
                disk_bytes(&engine.images, rows)
            };
            let count = (0..going.len()).find(|count| total(&going[*count..]) <= most);
            let mut going = going;
            let rest = going.split_off(count.unwrap_or(going.len()));
            Ok((going, rest.into_iter().map(|(row, _)| row).collect()))
        })
        .await
    }

    async fn measure(
        &self,
        going: Vec<(ImageRow, Vec<Reference>)>,
        staying: Vec<ImageRow>,
    ) -> Result<Pruned, EngineError> {
        let engine = self.inner.clone();
        blocking("measure images", move || {
            let all = staying.iter().chain(going.iter().map(|(row, _)| row));
            let freed_bytes = disk_bytes(&engine.images, all) - disk_bytes(&engine.images, staying.iter());
            let images = going.into_iter().map(|(row, references)| {
                let (tags, digests) = references.into_iter().partition(|one| one.digest().is_none());
                PrunedImage {
                    size_bytes: disk_bytes(&engine.images, std::iter::once(&row)),
                    used: row.used,
                    id: row.id,
                    tags,
                    digests,
                }
            });
            Ok(Pruned {
                images: images.collect(),
                freed_bytes,
            })
        })
        .await
    }

    /// Removes the rows of an image, unless a container uses it or it has a tag that is not
    /// among `references`.
    async fn forget_unused(&self, id: &Digest, references: &[Reference]) -> Result<bool, EngineError> {
        let facts = self.inner.image_facts(id, id.as_str()).await;
        let mut change = self.inner.journal.change().await?;
        let tags = store::tags::list_of_image(change.db(), id).await?;
        let has_new_tag = tags.iter().any(|tag| !references.contains(tag));
        if has_new_tag || !store::containers::list_of_image(change.db(), id).await?.is_empty() {
            return Ok(false);
        }
        remove_references(&mut change, id, references, &facts.labels).await?;
        store::images::remove(change.db(), id).await?;
        change
            .event(Subject::Image(id.to_string()), Action::Delete, facts)
            .await?;
        change.commit(|| {}).await?;
        Ok(true)
    }

    /// Removes what no image needs; `alone` proves that nobody brings one.
    pub(super) async fn collect_with(&self, _alone: &super::Alone) -> Result<image::Collected, EngineError> {
        let rows = store::images::list(&mut *self.inner.database().read().await?).await?;
        let mut keep: Vec<_> = rows.into_iter().map(kept).collect();
        keep.extend(crate::builds::kept_by_cache(&self.inner).await?);
        let engine = self.inner.clone();
        blocking("remove what no image needs", move || {
            engine
                .images
                .collect(&keep)
                .doing(|| "remove what no image needs".to_owned())
        })
        .await
    }
}

/// What these images take on the disk, shared parts once.
pub(super) fn disk_bytes<'r>(store: &image::Store, rows: impl Iterator<Item = &'r ImageRow>) -> u64 {
    let (mut blobs, mut layers) = (HashSet::new(), HashSet::new());
    for row in rows {
        blobs.extend([&row.id, &row.manifest]);
        for layer in &row.layers {
            blobs.insert(&layer.digest);
            layers.insert(&layer.chain_id);
        }
    }
    let blobs = blobs.into_iter().map(|digest| store.blob_disk_bytes(digest));
    let layers = layers.into_iter().map(|chain_id| store.snapshot_disk_bytes(chain_id));
    blobs.chain(layers).sum()
}
