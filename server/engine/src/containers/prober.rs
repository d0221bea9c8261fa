//! The probes of one run, one after the other.

use crate::clock;
use crate::containers::request::Request;
use crate::containers::view::{HealthStatus, ProbeResult};
use crate::engine::Engine;
use crate::exec::{ExecSpec, Probed};
use model::Timestamp;
use model::container::health::{HealthCheck, Probe};
use model::container::{ContainerId, State};
use std::time::Duration;
use tokio::sync::mpsc;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
const KEPT_OUTPUT_BYTES: usize = 4096;
/// Of a probe that did not end by itself.
const NO_CODE: i32 = -1;

/// Whether failures at `now` do not count yet, of a run that began at `since`.
pub(super) fn in_start_period(status: HealthStatus, check: &HealthCheck, now: Timestamp, since: Timestamp) -> bool {
    status == HealthStatus::Starting && now.since(since) < check.start_period.unwrap_or_default()
}

/// Probes one run until it is told to stop.
pub(super) struct Prober {
    pub(super) engine: Engine,
    pub(super) container: ContainerId,
    pub(super) run: u64,
    pub(super) check: HealthCheck,
    pub(super) requests: mpsc::WeakSender<Request>,
}

impl Prober {
    /// `last` is when the probe before ended, where an earlier server made it.
    pub(super) async fn probe(&self, mut last: Option<Timestamp>) {
        while let Some(wait) = self.until_next(last) {
            tokio::time::sleep(wait).await;
            // Nothing answers while it is frozen.
            if self.is_running() {
                let result = self.probe_once().await;
                let Some(requests) = self.requests.upgrade() else {
                    return;
                };
                let probed = Request::Probed { run: self.run, result };
                if requests.send(probed).await.is_err() {
                    return;
                }
            }
            last = Some(clock::now());
        }
    }

    fn is_running(&self) -> bool {
        let view = self.engine.inspect(&self.container);
        view.is_ok_and(|view| matches!(view.state, State::Running { .. }))
    }

    /// The wait before the next probe; `None` when there is none any more.
    fn until_next(&self, last: Option<Timestamp>) -> Option<Duration> {
        let view = self.engine.inspect(&self.container).ok()?;
        let (State::Running { since, .. } | State::Paused { since, .. }) = view.state else {
            return None;
        };
        let status = view.health.as_ref()?.status;
        let now = clock::now();
        let interval = if in_start_period(status, &self.check, now, since) {
            or(self.check.start_interval, DEFAULT_START_INTERVAL)
        } else {
            or(self.check.interval, DEFAULT_INTERVAL)
        };
        Some(interval.saturating_sub(now.since(last.unwrap_or(since))))
    }

    async fn probe_once(&self) -> ProbeResult {
        let command = match &self.check.test {
            Probe::None => Vec::new(),
            Probe::Command(command) => command.clone(),
            Probe::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        };
        let spec = ExecSpec {
            command,
            stdout: true,
            stderr: true,
            ..ExecSpec::default()
        };
        let limit = or(self.check.timeout, DEFAULT_TIMEOUT);
        let started = clock::now();
        let outcome = self
            .engine
            .run_probe(&self.container, spec, limit, KEPT_OUTPUT_BYTES)
            .await;
        let (exit_code, output) = match outcome {
            Ok(Probed::Ended { code, output }) => (code, output),
            Ok(Probed::TookTooLong { output }) => (NO_CODE, too_long(limit, output)),
            Err(error) => (NO_CODE, error.to_string().into_bytes()),
        };
        ProbeResult {
            started,
            ended: clock::now(),
            exit_code,
            output,
        }
    }
}

/// As clients of Docker know it.
fn too_long(limit: Duration, output: Vec<u8>) -> Vec<u8> {
    let mut text = format!("Health check exceeded timeout ({limit:?})").into_bytes();
    if !output.is_empty() {
        text.extend(b": ");
        text.extend(output);
        text.truncate(KEPT_OUTPUT_BYTES);
    }
    text
}

/// Zero is nothing that was asked for.
fn or(duration: Option<Duration>, default: Duration) -> Duration {
    duration.filter(|duration| !duration.is_zero()).unwrap_or(default)
}
