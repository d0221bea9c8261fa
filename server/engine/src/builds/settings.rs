//! Settings of a stage from an image's configuration, and back.

use crate::error::EngineError;
use build::Settings;
use image::document::{ContainerConfig, Document, Healthcheck};
use model::container::health::{HealthCheck, Probe};
use serde_json::json;
use std::time::Duration;

pub(super) fn of_document(document: &Document) -> Settings {
    let config = &document.config;
    let pair = |entry: &String| {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        (name.to_owned(), value.to_owned())
    };
    Settings {
        user: config.user.clone(),
        exposed_ports: config.exposed_ports.keys().cloned().collect(),
        env: config.env.iter().map(pair).collect(),
        entrypoint: config.entrypoint.clone(),
        command: config.cmd.clone(),
        volumes: config.volumes.keys().cloned().collect(),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        health: config.healthcheck.as_ref().and_then(read_health),
        shell: config.shell.clone(),
        // Those of the image below are carried out, not inherited.
        on_build: Vec::new(),
        author: document.author.clone(),
    }
}

/// Changes an image's configuration by lines of a Dockerfile, such as `CMD ["sh"]`.
pub(crate) fn apply_changes(document: &mut Document, changes: &[String]) -> Result<(), EngineError> {
    if changes.is_empty() {
        return Ok(());
    }
    let before = Settings {
        on_build: document.config.on_build.clone(),
        ..of_document(document)
    };
    let after = build::apply_changes(before, changes).map_err(|mistake| EngineError::invalid("changes", mistake))?;
    write(&after, document);
    Ok(())
}

/// What is not a setting stays as the image below has it.
pub(super) fn write(settings: &Settings, document: &mut Document) {
    let config: &mut ContainerConfig = &mut document.config;
    config.user.clone_from(&settings.user);
    config.exposed_ports = settings
        .exposed_ports
        .iter()
        .map(|port| (port.clone(), json!({})))
        .collect();
    config.env = settings
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    config.entrypoint.clone_from(&settings.entrypoint);
    config.cmd.clone_from(&settings.command);
    config.volumes = settings.volumes.iter().map(|path| (path.clone(), json!({}))).collect();
    config.working_dir.clone_from(&settings.working_dir);
    config.labels.clone_from(&settings.labels);
    config.stop_signal.clone_from(&settings.stop_signal);
    config.healthcheck = settings.health.as_ref().map(write_health);
    config.shell.clone_from(&settings.shell);
    config.on_build.clone_from(&settings.on_build);
    document.author.clone_from(&settings.author);
}

fn read_health(health: &Healthcheck) -> Option<HealthCheck> {
    let test = match health.test.split_first()? {
        (kind, []) if kind == "NONE" => Probe::None,
        (kind, words) if kind == "CMD" => Probe::Command(words.to_vec()),
        (kind, [line]) if kind == "CMD-SHELL" => Probe::Shell(line.clone()),
        _ => return None,
    };
    let duration = |nanos: i64| {
        u64::try_from(nanos)
            .ok()
            .filter(|nanos| *nanos > 0)
            .map(Duration::from_nanos)
    };
    Some(HealthCheck {
        test,
        interval: duration(health.interval),
        timeout: duration(health.timeout),
        retries: u32::try_from(health.retries).ok().filter(|count| *count > 0),
        start_period: duration(health.start_period),
        start_interval: duration(health.start_interval),
    })
}

fn write_health(health: &HealthCheck) -> Healthcheck {
    let nanos =
        |duration: Option<Duration>| duration.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
    Healthcheck {
        test: match &health.test {
            Probe::None => vec!["NONE".to_owned()],
            Probe::Command(words) => ["CMD".to_owned()].into_iter().chain(words.iter().cloned()).collect(),
            Probe::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        },
        interval: nanos(health.interval),
        timeout: nanos(health.timeout),
        start_period: nanos(health.start_period),
        start_interval: nanos(health.start_interval),
        retries: health.retries.map_or(0, i64::from),
    }
}
