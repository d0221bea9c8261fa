//! Looking whether all that is here is still what it was, and mending it.

use super::bring::kept;
use super::failed;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{EngineError, Kind};
use crate::tasks::{LoadedImage, Progress, Running, TaskId, TaskKind};
use image::{Damaged, Verified};
use std::collections::HashSet;
use store::images::ImageRow;

impl Engine {
    /// Hashes every blob and compares every unpacked layer, in the background. What is
    /// damaged is unpacked again, or pulled again under the image's name. The task fails
    /// with a list of what could not be mended.
    pub fn verify_images(&self, owner: Option<String>) -> TaskId {
        let inner = &self.inner;
        let subject = "all images".to_owned();
        let (id, running) = inner
            .tasks
            .join_or_begin(TaskKind::Verify, subject, owner, &inner.ending, true);
        if let Some(running) = running {
            let engine = self.clone();
            inner.tracker.spawn(async move {
                let outcome = engine.run_verify(&running).await;
                running.end(outcome);
                engine.collect_images().await;
            });
        }
        id
    }

    async fn run_verify(&self, running: &Running) -> Result<Vec<LoadedImage>, EngineError> {
        let lease = self.inner.leases.hold().await;
        let rows = store::images::list_all(&mut *self.inner.database().read().await?).await?;
        let first = self.look_at(running, &rows).await?;
        if first.damages.is_empty() {
            return Ok(Vec::new());
        }
        for damage in &first.damages {
            tracing::warn!(%damage, "an image is damaged");
        }
        let broken = self.mend(running, &first, &rows).await?;
        // A pull waits for its own lease.
        drop(lease);
        let mut problems = Vec::new();
        for row in &broken {
            if let Err(error) = self.pull_again(row).await {
                problems.push(error.to_string());
            }
        }
        let _lease = self.inner.leases.hold().await;
        let mut second = self.look_at(running, &rows).await?;
        if !second.damages.is_empty() {
            // What is unpacked could not be judged before its packed bytes were whole again.
            self.mend(running, &second, &rows).await?;
            second = self.look_at(running, &rows).await?;
        }
        if second.damages.is_empty() {
            return Ok(Vec::new());
        }
        let left: Vec<String> = second.damages.iter().map(ToString::to_string).chain(problems).collect();
        Err(EngineError::Image {
            reference: "verified".to_owned(),
            kind: Kind::Failed,
            reason: format!(
                "{} things are damaged and could not be mended: {}",
                second.damages.len(),
                left.join("; ")
            ),
        })
    }

    async fn look_at(&self, running: &Running, rows: &[ImageRow]) -> Result<Verified, EngineError> {
        let (engine, shown, cancel) = (self.inner.clone(), running.clone(), running.cancel.clone());
        let images: Vec<image::Image> = rows.iter().cloned().map(kept).collect();
        blocking("verify images", move || {
            let verified = engine.images.verify(&images, &cancel, |done, total| {
                shown.show(Progress {
                    phase: "verifying",
                    bytes_done: done as u64,
                    bytes_total: total as u64,
                    ..Progress::default()
                });
            });
            verified.map_err(|error| failed("all images", &error))
        })
        .await
    }

    /// Takes away what is damaged; gives the images that must be pulled again for it.
    async fn mend(&self, running: &Running, found: &Verified, rows: &[ImageRow]) -> Result<Vec<ImageRow>, EngineError> {
        let (engine, cancel) = (self.inner.clone(), running.cancel.clone());
        let (damages, rows) = (found.damages.clone(), rows.to_vec());
        blocking("mend images", move || {
            let images: Vec<image::Image> = rows.iter().cloned().map(kept).collect();
            let mut missing = HashSet::new();
            for damage in damages {
                let mended = engine.images.repair(&damage.what, &images, &cancel);
                if !mended.map_err(|error| failed("all images", &error))? {
                    missing.insert(damage.what);
                }
            }
            let needs = |row: &ImageRow| {
                let blobs = [&row.id, &row.manifest]
                    .into_iter()
                    .chain(row.layers.iter().map(|layer| &layer.digest));
                let mut all = blobs.cloned().map(Damaged::Blob);
                all.any(|blob| missing.contains(&blob))
                    || row
                        .layers
                        .iter()
                        .any(|layer| missing.contains(&Damaged::Snapshot(layer.chain_id.clone())))
            };
            Ok(rows.into_iter().filter(needs).collect())
        })
        .await
    }

    /// By the manifest's digest, under each name until one works.
    async fn pull_again(&self, row: &ImageRow) -> Result<(), EngineError> {
        let tags = store::tags::list_of_image(&mut *self.inner.database().read().await?, &row.id).await?;
        let mut failure = EngineError::Image {
            reference: row.id.short().to_owned(),
            kind: Kind::NotFound,
            reason: "it has no name to pull it by".to_owned(),
        };
        for tag in tags {
            match self.inner.pull_by_digest(&tag, &row.manifest).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}
