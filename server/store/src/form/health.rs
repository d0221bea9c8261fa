//! How a container is probed.

use model::container::health::{HealthCheck, Probe};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Serialize, Deserialize)]
pub(super) struct HealthForm {
    test: ProbeForm,
    interval_ms: Option<u64>,
    timeout_ms: Option<u64>,
    retries: Option<u32>,
    start_period_ms: Option<u64>,
    start_interval_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProbeForm {
    None,
    Command(Vec<String>),
    Shell(String),
}

pub(super) fn health_form(health: HealthCheck) -> HealthForm {
    let ms = |duration: Option<Duration>| duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
    HealthForm {
        test: match health.test {
            Probe::None => ProbeForm::None,
            Probe::Command(arguments) => ProbeForm::Command(arguments),
            Probe::Shell(line) => ProbeForm::Shell(line),
        },
        interval_ms: ms(health.interval),
        timeout_ms: ms(health.timeout),
        retries: health.retries,
        start_period_ms: ms(health.start_period),
        start_interval_ms: ms(health.start_interval),
    }
}

pub(super) fn health(form: HealthForm) -> HealthCheck {
    let duration = |ms: Option<u64>| ms.map(Duration::from_millis);
    HealthCheck {
        test: match form.test {
            ProbeForm::None => Probe::None,
            ProbeForm::Command(arguments) => Probe::Command(arguments),
            ProbeForm::Shell(line) => Probe::Shell(line),
        },
        interval: duration(form.interval_ms),
        timeout: duration(form.timeout_ms),
        retries: form.retries,
        start_period: duration(form.start_period_ms),
        start_interval: duration(form.start_interval_ms),
    }
}
