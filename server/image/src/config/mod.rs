//! The image configuration: image-spec, config.md.

pub mod document;

use crate::ImageError;
use document::{Document, Healthcheck};
use model::Timestamp;
use model::container::health::{HealthCheck, Probe};
use model::image::{Digest, ImageConfig};
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

pub(crate) fn parse(json: &[u8]) -> Result<ParsedConfig, ImageError> {
    const WHAT: &str = "the image's configuration";
    let document: Document = serde_json::from_slice(json).map_err(|error| ImageError::malformed(WHAT, error))?;
    let diff_ids = document.rootfs.diff_ids.iter();
    let diff_ids = diff_ids
        .map(|text| Digest::parse(text).map_err(|error| ImageError::malformed(WHAT, error)))
        .collect::<Result<_, _>>()?;
    let time = |text: Option<String>| text.and_then(|text| Timestamp::parse_rfc3339(&text));
    let container = document.config;
    Ok(ParsedConfig {
        config: ImageConfig {
            architecture: document.architecture,
            os: document.os,
            entrypoint: container.entrypoint.unwrap_or_default(),
            command: container.cmd.unwrap_or_default(),
            env: container.env,
            working_dir: container.working_dir,
            user: container.user,
            exposed_ports: container.exposed_ports.into_keys().collect(),
            volumes: container.volumes.into_keys().collect(),
            labels: container.labels.into_iter().collect(),
            stop_signal: container.stop_signal.filter(|signal| !signal.is_empty()),
            health: container.healthcheck.and_then(health),
        },
        created: time(document.created),
        diff_ids,
        history: document
            .history
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

fn health(health: Healthcheck) -> Option<HealthCheck> {
    let mut words = health.test.into_iter();
    let test = match words.next()?.as_str() {
        "NONE" => Probe::None,
        "CMD" => Probe::Command(words.collect()),
        "CMD-SHELL" => Probe::Shell(words.next()?),
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
        retries: u32::try_from(health.retries).ok().filter(|retries| *retries > 0),
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
