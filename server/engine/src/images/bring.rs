//! Bringing images here, as tasks that belong to the server.

use super::rate::Rates;
use super::{RegistryLogin, failed};
use crate::clock;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::journal::Facts;
use crate::tasks::{LayerProgress, LayerState, LoadedImage, Progress, Running, TaskId, TaskKind};
use model::event::{Action, Subject};
use model::image::{Digest, Reference};
use std::sync::Arc;
use std::time::Instant;
use store::images::{ImageRow, LayerRow};
use tokio::io::AsyncRead;
use tokio::sync::watch;

/// An image to be made of a root filesystem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImport {
    /// The name it gets.
    pub reference: Option<Reference>,
    /// Lines of a Dockerfile that set the configuration: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Told in the history.
    pub message: Option<String>,
    /// `linux/arm64`; `None` is this host's.
    pub platform: Option<String>,
    pub owner: Option<String>,
}

/// # Errors
/// A name that is read as a digest: `sha256:1`.
pub(crate) fn check_new_name(reference: &Reference) -> Result<(), EngineError> {
    if reference.short_name() == "sha256" {
        return Err(EngineError::invalid(
            "reference",
            "refusing to create an ambiguous tag using digest algorithm as name",
        ));
    }
    Ok(())
}

fn linux_platform(text: &str) -> Result<image::Platform, EngineError> {
    let read = image::Platform::parse(text).filter(|platform| platform.os == "linux");
    read.ok_or_else(|| EngineError::invalid("platform", format!("`{text}` is not such as `linux/arm64`")))
}

impl Engine {
    /// Pulls in the background; joins a pull of the same image that is under way.
    /// `platform` is such as `linux/arm64`; without it, the host's own.
    ///
    /// # Errors
    /// The platform is not one.
    pub fn pull(
        &self,
        reference: Reference,
        login: Option<RegistryLogin>,
        platform: Option<&str>,
        owner: Option<String>,
    ) -> Result<TaskId, EngineError> {
        let inner = &self.inner;
        let platform = match platform {
            Some(text) => {
                let read = image::Platform::parse(text);
                Some(read.ok_or_else(|| {
                    EngineError::invalid("platform", format!("`{text}` is not such as `linux/arm64`"))
                })?)
            }
            None => None,
        };
        let join = login.is_none();
        let subject = match &platform {
            Some(platform) => format!("{} ({platform})", reference.short()),
            None => reference.short(),
        };
        let (id, running) = inner
            .tasks
            .join_or_begin(TaskKind::Pull, subject, owner, &inner.ending, join);
        let Some(running) = running else {
            return Ok(id);
        };
        let engine = self.clone();
        inner.tracker.spawn(async move {
            let outcome = engine.run_pull(&running, reference, login, platform).await;
            running.end(outcome);
            engine.collect_images().await;
        });
        Ok(id)
    }

    /// Reads an archive of images (`docker save`, or an OCI layout in a tar) to its end.
    pub fn load<R>(&self, archive: R, owner: Option<String>) -> TaskId
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let inner = &self.inner;
        let subject = "archive".to_owned();
        let (id, running) = inner
            .tasks
            .join_or_begin(TaskKind::Load, subject, owner, &inner.ending, false);
        if let Some(running) = running {
            let engine = self.clone();
            inner.tracker.spawn(async move {
                let outcome = engine.run_load(&running, archive).await;
                running.end(outcome);
                engine.collect_images().await;
            });
        }
        id
    }

    /// Makes an image of a root filesystem in a tar.
    pub fn import<R>(&self, tar: R, new: NewImport) -> TaskId
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let inner = &self.inner;
        let subject = new
            .reference
            .as_ref()
            .map_or_else(|| "archive".to_owned(), Reference::short);
        let (id, running) =
            inner
                .tasks
                .join_or_begin(TaskKind::Import, subject, new.owner.clone(), &inner.ending, false);
        if let Some(running) = running {
            let engine = self.clone();
            inner.tracker.spawn(async move {
                let outcome = engine.run_import(&running, tar, new).await;
                running.end(outcome);
                engine.collect_images().await;
            });
        }
        id
    }

    async fn run_pull(
        &self,
        running: &Running,
        reference: Reference,
        login: Option<RegistryLogin>,
        platform: Option<image::Platform>,
    ) -> Result<Vec<LoadedImage>, EngineError> {
        let _lease = self.inner.leases.hold().await;
        let options = image::PullOptions {
            platform,
            mirrors: self.inner.mirrors(reference.registry()).await?,
            reach: self.inner.reach(reference.registry(), login).await?,
        };
        let progress = self.show_progress(running);
        let cancel = running.cancel.clone();
        let pulled = self.inner.images.pull(&reference, options, progress, cancel).await;
        let image::Pulled { image, named } = pulled.map_err(|error| failed(&reference.short(), &error))?;
        self.inner.note_use(reference.registry()).await;
        // By what the name meant there, which may be an index of several platforms.
        let mut names = vec![reference.with_digest(named)];
        if reference.tag().is_some() && reference.digest().is_none() {
            names.push(reference);
        }
        Ok(vec![self.inner.record_image(image, names, Action::Pull).await?])
    }

    async fn run_load<R>(&self, running: &Running, archive: R) -> Result<Vec<LoadedImage>, EngineError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let _lease = self.inner.leases.hold().await;
        let progress = self.show_progress(running);
        let loaded = self.inner.images.load(archive, progress, running.cancel.clone()).await;
        let images = loaded.map_err(|error| failed("the archive", &error))?;
        let mut recorded = Vec::with_capacity(images.len());
        for (image, names) in images {
            recorded.push(self.inner.record_image(image, names, Action::Load).await?);
        }
        Ok(recorded)
    }

    async fn run_import<R>(&self, running: &Running, tar: R, new: NewImport) -> Result<Vec<LoadedImage>, EngineError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        if let Some(reference) = &new.reference {
            check_new_name(reference)?;
        }
        let mut document = image::document::Document::default();
        crate::builds::apply_changes(&mut document, &new.changes)?;
        let _lease = self.inner.leases.hold().await;
        let progress = self.show_progress(running);
        let options = image::ImportOptions {
            config: document.config,
            platform: new.platform.as_deref().map(linux_platform).transpose()?,
            message: new.message,
            created: clock::now(),
        };
        let imported = self
            .inner
            .images
            .import(tar, options, progress, running.cancel.clone())
            .await;
        let image = imported.map_err(|error| failed("the archive", &error))?;
        let names = new.reference.into_iter().collect();
        Ok(vec![self.inner.record_image(image, names, Action::Import).await?])
    }

    /// Shows what the image store tells, until it lets go of the sender.
    pub(super) fn show_progress(&self, running: &Running) -> watch::Sender<image::Progress> {
        let (sender, mut receiver) = watch::channel(image::Progress::default());
        let running = running.clone();
        self.inner.tracker.spawn(async move {
            let mut rates = Rates::begin(Instant::now());
            while receiver.changed().await.is_ok() {
                let mut shown = progress(&receiver.borrow_and_update());
                rates.measure(Instant::now(), &mut shown);
                running.show(shown);
            }
        });
        sender
    }
}

impl Inner {
    /// Fetches what lacks of an image whose manifest is known.
    pub(super) async fn pull_by_digest(
        self: &Arc<Self>,
        name: &Reference,
        manifest: &Digest,
    ) -> Result<(), EngineError> {
        let _lease = self.leases.hold().await;
        let text = format!("{}/{}@{manifest}", name.registry(), name.repository());
        let reference = Reference::parse(&text).map_err(|error| EngineError::invalid("reference", error))?;
        let options = image::PullOptions {
            platform: None,
            mirrors: self.mirrors(name.registry()).await?,
            reach: self.reach(name.registry(), None).await?,
        };
        let progress = watch::channel(image::Progress::default()).0;
        let pulled = self
            .images
            .pull(&reference, options, progress, self.ending.child_token())
            .await;
        pulled.map(drop).map_err(|error| failed(&reference.short(), &error))
    }

    /// Image, names and event in one transaction.
    pub(crate) async fn record_image(
        self: &Arc<Self>,
        image: image::Image,
        names: Vec<Reference>,
        action: Action,
    ) -> Result<LoadedImage, EngineError> {
        let row = row_of(&image);
        let mut change = self.journal.change().await?;
        let was_here = store::images::find(change.db(), &row.id).await?.is_some();
        store::images::put(change.db(), &row).await?;
        let (names, digests): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.digest().is_none());
        for name in &names {
            store::tags::set(change.db(), name, &row.id, clock::now()).await?;
        }
        for digest in &digests {
            store::image_digests::set(change.db(), digest, &row.id).await?;
        }
        let facts = Facts {
            attributes: names
                .iter()
                .chain(&digests)
                .take(1)
                .map(|name| ("name".to_owned(), name.short()))
                .collect(),
            labels: image.config.labels,
        };
        change.event(Subject::Image(row.id.to_string()), action, facts).await?;
        change.commit(|| {}).await?;
        Ok(LoadedImage {
            id: row.id,
            manifest: row.manifest,
            manifest_bytes: 0,
            references: names,
            was_here,
        })
    }
}

pub(super) fn row_of(image: &image::Image) -> ImageRow {
    ImageRow {
        id: image.id.clone(),
        manifest: image.manifest.clone(),
        created: image.created,
        added: clock::now(),
        used: None,
        size_bytes: image.size_bytes,
        layers: image.layers.iter().map(layer_row).collect(),
    }
}

pub(crate) fn layer_row(layer: &image::Layer) -> LayerRow {
    LayerRow {
        digest: layer.digest.clone(),
        diff_id: layer.diff_id.clone(),
        chain_id: layer.chain_id.clone(),
        size_bytes: layer.size_bytes,
        unpacked_bytes: layer.unpacked_bytes,
    }
}

/// A row as the collector takes it; what the image says is of no matter there.
pub(crate) fn kept(row: ImageRow) -> image::Image {
    image::Image {
        id: row.id,
        manifest: row.manifest,
        config: model::image::ImageConfig::default(),
        created: row.created,
        size_bytes: row.size_bytes,
        layers: row
            .layers
            .into_iter()
            .map(|layer| image::Layer {
                digest: layer.digest,
                diff_id: layer.diff_id,
                chain_id: layer.chain_id,
                size_bytes: layer.size_bytes,
                unpacked_bytes: layer.unpacked_bytes,
            })
            .collect(),
    }
}

fn progress(of: &image::Progress) -> Progress {
    Progress {
        phase: match of.phase {
            image::Phase::Resolving => "resolving",
            image::Phase::Fetching => "downloading",
            image::Phase::Extracting => "extracting",
            image::Phase::Sending => "uploading",
            image::Phase::Done => "done",
        },
        layers: of
            .layers
            .iter()
            .map(|layer| LayerProgress {
                digest: layer.digest.clone(),
                bytes_per_s: 0,
                state: match layer.state {
                    image::LayerState::Waiting => LayerState::Waiting,
                    image::LayerState::Downloading { done, total } => LayerState::Downloading { done, total },
                    image::LayerState::Uploading { done, total } => LayerState::Uploading { done, total },
                    image::LayerState::Verifying => LayerState::Verifying,
                    image::LayerState::Extracting { done, total } => LayerState::Extracting { done, total },
                    image::LayerState::Done => LayerState::Done,
                    image::LayerState::AlreadyHere => LayerState::AlreadyHere,
                },
            })
            .collect(),
        bytes_done: of.bytes_done,
        bytes_total: of.bytes_total,
        bytes_per_s: 0,
        log: Vec::new(),
    }
}
