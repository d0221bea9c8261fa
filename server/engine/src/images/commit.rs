//! An image of what a container has changed.

use crate::blocking::blocking;
use crate::clock;
use crate::containers::request::Request;
use crate::containers::view::Container;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::mount_points;
use crate::tasks::LoadedImage;
use image::document::{ContainerConfig, Document, Healthcheck, Step};
use model::container::health::{HealthCheck, Probe};
use model::container::{ContainerId, Spec};
use model::event::Action;
use model::image::Reference;
use serde_json::json;
use std::time::Duration;

/// What [`Engine::commit`] makes of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewCommit {
    pub reference: Option<Reference>,
    /// Told in the history.
    pub message: String,
    pub author: Option<String>,
    /// Lines of a Dockerfile: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// What it says goes before what the container says.
    pub config: ContainerConfig,
    /// Pauses the container meanwhile, so that its files fit together.
    pub pause: bool,
}

impl Engine {
    /// # Errors
    /// A change is not one; the container is gone.
    pub async fn commit(&self, id: &ContainerId, new: NewCommit) -> Result<LoadedImage, EngineError> {
        if let Some(reference) = &new.reference {
            super::check_new_name(reference)?;
        }
        let container = self.inspect(id)?;
        let _lease = self.inner.leases.hold().await;
        let hold = if new.pause {
            self.ask(id, Request::BeginHold).await?
        } else {
            None
        };
        let made = self.make_commit(&container, new.clone()).await;
        if let Some(hold) = hold
            && let Err(error) = self.ask(id, |reply| Request::EndHold { hold, reply }).await
        {
            tracing::warn!(container = id.short(), %error, "cannot unpause after a commit");
        }
        let image = made?;
        let names = new.reference.into_iter().collect();
        self.inner.record_image(image, names, Action::Commit).await
    }

    async fn make_commit(&self, container: &Container, new: NewCommit) -> Result<image::Image, EngineError> {
        let spec = container.spec.clone();
        let row = store::images::find(&mut *self.inner.database().read().await?, &spec.image.id).await?;
        let row = row.ok_or_else(|| EngineError::ImageMissing(spec.image.reference.short()))?;
        let engine = self.inner.clone();
        let ending = engine.ending.child_token();
        let place = engine.place_of(&container.id, &spec.image.id, container.ids).await?;
        let failed = {
            let name = spec.name.as_str().to_owned();
            move |error| super::failed(&name, &error)
        };
        blocking("commit a container", move || {
            let base = engine.images.document(&spec.image.id).map_err(&failed)?;
            let mut layers = super::bring::kept(row).layers;
            let mut document = base.to_build_on();
            document.config = merged(new.config, of_spec(&spec, base.config));
            crate::builds::apply_changes(&mut document, &new.changes)?;
            let options = image::CommitOptions {
                mount_points: mount_points(&spec),
                ..image::CommitOptions::default()
            };
            let made = engine
                .images
                .commit_layer(&engine.snapshots.written(&place)?, &layers, &options, &ending);
            let layer = made.map_err(&failed)?;
            finish(&mut document, &spec, new.message, new.author, layer.is_empty());
            if !layer.is_empty() {
                layers.push(layer);
            }
            engine.images.commit_image(&document, &layers).map_err(&failed)
        })
        .await
    }
}

fn finish(document: &mut Document, spec: &Spec, message: String, author: Option<String>, empty_layer: bool) {
    let now = clock::now().to_string();
    document.created = Some(now.clone());
    document.author.clone_from(&author);
    document.history.push(Step {
        created: Some(now),
        created_by: spec.process.arguments().join(" "),
        author,
        comment: message,
        empty_layer,
    });
}

/// What the container runs with; what it cannot say is as its image has it.
fn of_spec(spec: &Spec, base: ContainerConfig) -> ContainerConfig {
    let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    let working_dir = match (spec.process.working_dir.as_str(), base.working_dir.is_empty()) {
        ("/", true) => String::new(),
        (dir, _) => dir.to_owned(),
    };
    ContainerConfig {
        user: spec.process.user.clone(),
        exposed_ports: spec
            .network
            .exposed
            .iter()
            .map(|port| (port.clone(), json!({})))
            .collect(),
        env: spec.process.env.clone(),
        entrypoint: list(&spec.process.entrypoint),
        cmd: list(&spec.process.command),
        healthcheck: spec.health.as_ref().map(health),
        working_dir,
        labels: spec.labels.iter().cloned().collect(),
        stop_signal: spec.stop_signal.map(|signal| signal.to_string()),
        ..base
    }
}

/// What is said goes before, lists are joined.
fn merged(said: ContainerConfig, of_container: ContainerConfig) -> ContainerConfig {
    let text = |said: String, other: String| if said.is_empty() { other } else { said };
    let mut merged = of_container;
    merged.user = text(said.user, merged.user);
    merged.working_dir = text(said.working_dir, merged.working_dir);
    merged.exposed_ports.extend(said.exposed_ports);
    merged.volumes.extend(said.volumes);
    merged.labels.extend(said.labels);
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    merged
        .env
        .retain(|entry| !said.env.iter().any(|other| name(other) == name(entry)));
    merged.env.extend(said.env);
    if said.entrypoint.is_some() && said.cmd.is_none() {
        merged.cmd = None;
    }
    merged.entrypoint = said.entrypoint.or(merged.entrypoint);
    merged.cmd = said.cmd.or(merged.cmd);
    merged.healthcheck = said.healthcheck.or(merged.healthcheck);
    merged.stop_signal = said
        .stop_signal
        .filter(|signal| !signal.is_empty())
        .or(merged.stop_signal);
    if !said.on_build.is_empty() {
        merged.on_build = said.on_build;
    }
    merged
}

fn health(check: &HealthCheck) -> Healthcheck {
    let nanos = |time: Option<Duration>| time.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
    let words = |first: &str, rest: &[String]| {
        let first = std::iter::once(first.to_owned());
        first.chain(rest.iter().cloned()).collect()
    };
    Healthcheck {
        test: match &check.test {
            Probe::None => words("NONE", &[]),
            Probe::Command(command) => words("CMD", command),
            Probe::Shell(line) => words("CMD-SHELL", std::slice::from_ref(line)),
        },
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
        retries: check.retries.map_or(0, i64::from),
    }
}
