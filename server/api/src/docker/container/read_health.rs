//! How a container's health is probed.

use super::super::problem::Failure;
use bollard_stubs::models::HealthConfig;
use model::container::health::{HealthCheck, Probe};
use std::time::Duration;

pub(super) enum Health {
    Nothing,
    Complete(HealthCheck),
    /// The image says what is run, the request how often.
    OfImage(HealthCheck),
}

pub(super) fn health(config: HealthConfig) -> Result<Health, Failure> {
    let HealthConfig {
        test,
        interval,
        timeout,
        retries,
        start_period,
        start_interval,
    } = config;
    let duration = |name: &str, nanos: Option<i64>| match nanos {
        None | Some(0) => Ok(None),
        Some(nanos) => match u64::try_from(nanos) {
            Ok(nanos) if nanos >= 1_000_000 => Ok(Some(Duration::from_nanos(nanos))),
            _ => Err(Failure::invalid(format!(
                "{name} in Healthcheck cannot be less than 1ms"
            ))),
        },
    };
    let mut health = HealthCheck {
        test: Probe::None,
        interval: duration("Interval", interval)?,
        timeout: duration("Timeout", timeout)?,
        retries: match retries {
            None | Some(0) => None,
            Some(count) => {
                Some(u32::try_from(count).map_err(|_| Failure::invalid("Retries in Healthcheck cannot be negative"))?)
            }
        },
        start_period: duration("StartPeriod", start_period)?,
        start_interval: duration("StartInterval", start_interval)?,
    };
    let test = test.unwrap_or_default();
    let Some((kind, words)) = test.split_first() else {
        let nothing = health.interval.is_none()
            && health.timeout.is_none()
            && health.retries.is_none()
            && health.start_period.is_none()
            && health.start_interval.is_none();
        return Ok(if nothing {
            Health::Nothing
        } else {
            Health::OfImage(health)
        });
    };
    health.test = match (kind.as_str(), words) {
        ("NONE", []) => Probe::None,
        ("CMD", [_, ..]) => Probe::Command(words.to_vec()),
        ("CMD-SHELL", [line]) => Probe::Shell(line.clone()),
        _ => return Err(Failure::invalid(format!("unknown type '{kind}' in Healthcheck.Test"))),
    };
    Ok(Health::Complete(health))
}
