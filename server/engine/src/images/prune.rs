//! Cleaning up: what would go is told before anything does, and is what then goes.

use super::bring::kept;
use super::ledger::Ledger;
use super::remove::remove_references;
use super::view::Image;
use crate::blocking::blocking;
use crate::clock;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use model::Timestamp;
use model::event::{Action, Subject};
use model::image::{Digest, Reference};
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
    /// Also what builds remember: no layer is kept for that then.
    pub build_cache: bool,
}

/// What goes, or went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    pub images: Vec<PrunedImage>,
    /// On the disk, of all together: what stays needs none of it.
    pub freed_bytes: u64,
    pub build_cache: PrunedCache,
}

/// The build cache beside the images: part of what goes where the rules name it, else what
/// could go, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunedCache {
    pub steps: usize,
    /// What removing the cache frees beyond the images alone.
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

/// An image that goes, with its references.
type Going = (ImageRow, Vec<Reference>);

impl Engine {
    /// What [`Engine::prune_images`] would do now. `allows` sorts out further.
    pub async fn preview_prune(
        &self,
        rules: &PruneRules,
        allows: impl Fn(&Image) -> bool + Send + Sync,
    ) -> Result<Pruned, EngineError> {
        let ledger = self.ledger().await?;
        let going = self.choose(rules, allows, &ledger).await?;
        Ok(measure(&ledger, going, rules.build_cache))
    }

    /// Removes images by rules, what unfinished pulls have brought, and what nobody needs
    /// any more. Waits for pulls and builds, which none of it is taken from.
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
        self.inner.make_room();
        let ledger = self.ledger().await?;
        let mut gone = Vec::new();
        for (row, references) in self.choose(rules, allows, &ledger).await? {
            // Else a container uses it, or it got a tag, meanwhile.
            if self.forget_unused(&row.id, &references).await? {
                gone.push((row, references));
            }
        }
        if rules.build_cache {
            crate::builds::forget_cache(&self.inner).await?;
        }
        self.inner.images.forget_interrupted_pulls();
        let pruned = measure(&ledger, gone, rules.build_cache);
        self.collect_with(&alone).await?;
        self.record_prune(Subject::Image(String::new()), pruned.freed_bytes)
            .await?;
        Ok(pruned)
    }

    /// Tells that everything unused of a kind was removed; `subject` has no id.
    pub async fn record_prune(&self, subject: Subject, reclaimed_bytes: u64) -> Result<(), EngineError> {
        let mut change = self.inner.journal.change().await?;
        let facts = vec![("reclaimed".to_owned(), reclaimed_bytes.to_string())];
        change.event(subject, Action::Prune, facts).await?;
        change.commit(|| {}).await
    }

    /// The images that go, the longest unused first, each with its references.
    async fn choose(
        &self,
        rules: &PruneRules,
        allows: impl Fn(&Image) -> bool + Send + Sync,
        ledger: &Ledger,
    ) -> Result<Vec<Going>, EngineError> {
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
                let references: Vec<Reference> = image.tags.iter().chain(&image.digests).cloned().collect();
                going.push((row, references));
            } else {
                staying.push(row.id);
            }
        }
        going.sort_by_key(|(row, _)| row.used.unwrap_or(row.added));
        if let Some(most) = rules.keep_bytes {
            // As many as bring all images to this size.
            let fits = |count: &usize| {
                let rest = going[*count..].iter().map(|(row, _)| &row.id);
                ledger.bytes(staying.iter().chain(rest)) <= most
            };
            let count = (0..going.len()).find(fits).unwrap_or(going.len());
            going.truncate(count);
        }
        Ok(going)
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
        let rows = store::images::list_all(&mut *self.inner.database().read().await?).await?;
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

fn measure(ledger: &Ledger, going: Vec<Going>, with_cache: bool) -> Pruned {
    let ids = || going.iter().map(|(row, _)| &row.id);
    let (alone, with_all) = (
        ledger.freed_by_pruning(ids(), false),
        ledger.freed_by_pruning(ids(), true),
    );
    let images = going.iter().map(|(row, references)| {
        let (tags, digests) = references.iter().cloned().partition(|one| one.digest().is_none());
        PrunedImage {
            size_bytes: ledger.bytes([&row.id]),
            used: row.used,
            id: row.id.clone(),
            tags,
            digests,
        }
    });
    Pruned {
        images: images.collect(),
        freed_bytes: if with_cache { with_all } else { alone },
        build_cache: PrunedCache {
            steps: ledger.cached_steps(),
            freed_bytes: with_all - alone,
        },
    }
}
