//! Sending images to registries, as tasks that belong to the server.

use super::bring::row_of;
use super::failed;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::images::RegistryLogin;
use crate::tasks::{LoadedImage, Running, TaskId, TaskKind};
use model::event::{Action, Subject};
use model::image::{Digest, Reference};
use std::collections::{HashMap, HashSet};

/// Of one blob, so many repositories are asked for it.
const MOST_OTHERS: usize = 2;

impl Engine {
    /// Sends the image `text` to the registry of `reference`, in the background; with
    /// `referrers` also what refers to it.
    ///
    /// # Errors
    /// There is no such image, or the name has no tag to send it under.
    pub async fn push(
        &self,
        text: &str,
        reference: Reference,
        login: Option<RegistryLogin>,
        referrers: bool,
        owner: Option<String>,
    ) -> Result<TaskId, EngineError> {
        if reference.digest().is_some() {
            return Err(EngineError::invalid(
                "reference",
                "an image is pushed by a tag, not a digest",
            ));
        }
        let found = self.inner.find_image(text).await?;
        let inner = &self.inner;
        let (id, running) = inner
            .tasks
            .join_or_begin(TaskKind::Push, reference.short(), owner, &inner.ending, false);
        if let Some(running) = running {
            let engine = self.clone();
            inner.tracker.spawn(async move {
                let outcome = engine.run_push(&running, &found.id, reference, login, referrers).await;
                running.end(outcome);
                engine.collect_images().await;
            });
        }
        Ok(id)
    }

    async fn run_push(
        &self,
        running: &Running,
        id: &Digest,
        reference: Reference,
        login: Option<RegistryLogin>,
        referrers: bool,
    ) -> Result<Vec<LoadedImage>, EngineError> {
        let _lease = self.inner.leases.hold().await;
        let row = store::images::find(&mut *self.inner.database().read().await?, id).await?;
        let row = row.ok_or_else(|| EngineError::ImageMissing(id.to_string()))?;
        let others = self.others(&row.layers, &reference).await?;
        let options = image::PushOptions {
            reach: self.inner.reach(reference.registry(), login).await?,
            others,
            referrers,
        };
        let image = super::bring::kept(row);
        let progress = self.show_progress(running);
        let cancel = running.cancel.clone();
        let pushed = self
            .inner
            .images
            .push(image, &reference, options, progress, cancel)
            .await;
        let pushed = pushed.map_err(|error| failed(&reference.short(), &error))?;
        self.inner.note_use(reference.registry()).await;
        let mut change = self.inner.journal.change().await?;
        // It may have been removed meanwhile; it was pushed all the same.
        if store::images::find(change.db(), id).await?.is_some() {
            store::images::put(change.db(), &row_of(&pushed.image)).await?;
            // A digest of a repository where the image has no tag would keep it after its last
            // tag is removed, and nothing would show why.
            let tags = store::tags::list_of_image(change.db(), id).await?;
            let is_tagged =
                |tag: &Reference| (tag.registry(), tag.repository()) == (reference.registry(), reference.repository());
            if tags.iter().any(is_tagged) {
                let named = reference.with_digest(pushed.manifest.clone());
                store::image_digests::set(change.db(), &named, id).await?;
            }
        }
        let facts = self.inner.image_facts(id, &reference.short()).await;
        change
            .event(Subject::Image(id.to_string()), Action::Push, facts)
            .await?;
        change.commit(|| {}).await?;
        Ok(vec![LoadedImage {
            id: id.clone(),
            manifest: pushed.manifest,
            manifest_bytes: pushed.manifest_bytes,
            references: vec![reference],
            was_here: true,
        }])
    }

    /// Other repositories of the same registry whose images have these layers.
    async fn others(
        &self,
        layers: &[store::images::LayerRow],
        reference: &Reference,
    ) -> Result<HashMap<Digest, Vec<String>>, EngineError> {
        let wanted: HashSet<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
        let mut db = self.inner.database().read().await?;
        let rows = store::images::list(&mut db).await?;
        let tags = store::tags::list(&mut db).await?;
        let mut others: HashMap<Digest, Vec<String>> = HashMap::new();
        for (tag, id) in tags {
            let elsewhere = tag.registry() != reference.registry() || tag.repository() == reference.repository();
            let Some(row) = rows.iter().find(|row| row.id == id).filter(|_| !elsewhere) else {
                continue;
            };
            for layer in row.layers.iter().filter(|layer| wanted.contains(&layer.digest)) {
                let known = others.entry(layer.digest.clone()).or_default();
                let repository = tag.repository().to_owned();
                if known.len() < MOST_OTHERS && !known.contains(&repository) {
                    known.push(repository);
                }
            }
        }
        Ok(others)
    }
}
