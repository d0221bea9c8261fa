//! The image configuration: image-spec, config.md.

use crate::ImageError;
use model::Timestamp;
use model::container::health::{HealthCheck, Probe};
use model::image::{Digest, ImageConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A configuration, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedConfig {
    pub config: ImageConfig,
    pub created: Option<Timestamp>,
    /// Lowest layer first.
    pub diff_ids: Vec<Digest>,
    pub history: Vec<History>,
}

/// A step of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub created: Option<Timestamp>,
    pub created_by: String,
    pub comment: String,
    /// It made no layer.
    pub empty_layer: bool,
}

#[derive(Deserialize)]
struct Document {
    created: Option<String>,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    config: Option<Container>,
    rootfs: RootFs,
    history: Option<Vec<Step>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Step {
    created: Option<String>,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    empty_layer: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    user: String,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    working_dir: String,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    healthcheck: Option<Health>,
}

/// Docker's addition; durations are nanoseconds.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Health {
    test: Option<Vec<String>>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    start_interval: u64,
    retries: u32,
}

pub(crate) fn parse(json: &[u8]) -> Result<ParsedConfig, ImageError> {
    let document: Document =
        serde_json::from_slice(json).map_err(|error| ImageError::malformed("the image's configuration", error))?;
    let container = document.config.unwrap_or_default();
    let keys = |map: Option<BTreeMap<String, serde_json::Value>>| map.unwrap_or_default().into_keys().collect();
    let diff_ids = document.rootfs.diff_ids.unwrap_or_default();
    let diff_ids = diff_ids
        .iter()
        .map(|text| Digest::parse(text).map_err(|error| ImageError::malformed("the image's configuration", error)))
        .collect::<Result<_, _>>()?;
    let time = |text: Option<String>| text.and_then(|text| Timestamp::parse_rfc3339(&text));
    Ok(ParsedConfig {
        config: ImageConfig {
            architecture: document.architecture,
            os: document.os,
            entrypoint: container.entrypoint.unwrap_or_default(),
            command: container.cmd.unwrap_or_default(),
            env: container.env.unwrap_or_default(),
            working_dir: container.working_dir,
            user: container.user,
            exposed_ports: keys(container.exposed_ports),
            volumes: keys(container.volumes),
            labels: container.labels.unwrap_or_default().into_iter().collect(),
            stop_signal: container.stop_signal.filter(|signal| !signal.is_empty()),
            health: container.healthcheck.and_then(health),
        },
        created: time(document.created),
        diff_ids,
        history: document
            .history
            .unwrap_or_default()
            .into_iter()
            .map(|step| History {
                created: time(step.created),
                created_by: step.created_by,
                comment: step.comment,
                empty_layer: step.empty_layer,
            })
            .collect(),
    })
}

fn health(health: Health) -> Option<HealthCheck> {
    let mut words = health.test?.into_iter();
    let test = match words.next()?.as_str() {
        "NONE" => Probe::None,
        "CMD" => Probe::Command(words.collect()),
        "CMD-SHELL" => Probe::Shell(words.next()?),
        _ => return None,
    };
    let duration = |nanos: u64| (nanos > 0).then(|| Duration::from_nanos(nanos));
    Some(HealthCheck {
        test,
        interval: duration(health.interval),
        timeout: duration(health.timeout),
        retries: (health.retries > 0).then_some(health.retries),
        start_period: duration(health.start_period),
        start_interval: duration(health.start_interval),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_acts_on_is_read() {
        let json = br#"{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z",
            "config":{"Env":["PATH=/bin"],"Cmd":["sh"],"Entrypoint":null,"ExposedPorts":{"80/tcp":{}},
              "Volumes":{"/data":{}},"WorkingDir":"/srv","StopSignal":"SIGQUIT",
              "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000}},
            "rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000001"]},
            "history":[{"created_by":"ADD","empty_layer":true}]}"#;
        let parsed = parse(json).unwrap();
        assert_eq!(parsed.config.command, ["sh"]);
        assert_eq!(parsed.config.exposed_ports, ["80/tcp"]);
        assert_eq!(parsed.config.volumes, ["/data"]);
        assert_eq!(parsed.config.health.unwrap().interval, Some(Duration::from_secs(1)));
        assert_eq!(parsed.diff_ids.len(), 1);
        assert!(parsed.created.is_some() && parsed.history[0].empty_layer);
    }

    #[test]
    fn a_configuration_without_a_section_for_containers_is_fine() {
        assert!(parse(br#"{"rootfs":{"diff_ids":null}}"#).unwrap().diff_ids.is_empty());
        assert!(parse(b"[]").is_err());
    }
}
