//! Health: probes beside a running container, and what they say of it.

use crate::clock;
use crate::containers::keeper::Keeper;
use crate::containers::request::Request;
use crate::containers::view::{Health, HealthStatus, ProbeResult};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::exec::{Exec, ExecId, ExecSpec};
use model::Timestamp;
use model::container::health::{HealthCheck, Probe};
use model::container::{ContainerId, ExitStatus};
use model::event::Action;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
const KEPT_PROBES: usize = 5;
const KEPT_OUTPUT_BYTES: usize = 4096;

impl Keeper {
    /// Begins the probes of a run that has just begun, or was found running.
    pub(super) fn begin_health(&mut self) {
        self.end_health();
        let Some(check) = self.record.spec.health.clone() else {
            return;
        };
        let Some(requests) = self.own_requests.upgrade() else {
            return;
        };
        self.health = Some(Health {
            status: HealthStatus::Starting,
            failing_streak: 0,
            probes: Vec::new(),
        });
        let stop = CancellationToken::new();
        self.probes = Some(stop.clone().drop_guard());
        let engine = Engine {
            inner: self.engine.clone(),
        };
        let prober = Prober {
            engine,
            container: self.record.id.clone(),
            run: self.record.run,
            check,
            requests: requests.downgrade(),
        };
        self.engine.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = prober.engine.inner.ending.cancelled() => {}
                () = prober.probe() => {}
            }
        });
    }

    pub(super) fn end_health(&mut self) {
        self.probes = None;
        self.health = None;
    }

    pub(super) async fn probed(&mut self, run: u64, result: ProbeResult) {
        if run != self.record.run {
            return;
        }
        let (Some(health), Some(check)) = (&mut self.health, &self.record.spec.health) else {
            return;
        };
        let since = match &self.record.state {
            model::container::State::Running { since, .. } => *since,
            _ => return,
        };
        let before = health.status;
        judge(health, check, result, since);
        let after = health.status;
        self.show();
        if before != after {
            let word = match after {
                HealthStatus::Starting => "starting",
                HealthStatus::Healthy => "healthy",
                HealthStatus::Unhealthy => "unhealthy",
            };
            let told = self
                .tell(
                    Action::HealthStatus,
                    vec![("health_status".to_owned(), word.to_owned())],
                )
                .await;
            self.log_failure("record a change of health", told);
        }
    }

    pub(super) async fn exec_ended(&mut self, exec_id: &str, status: ExitStatus, at: Timestamp) {
        let Some(id) = ExecId::parse(exec_id) else {
            return;
        };
        let Some(exec): Option<Exec> = self.engine.execs.record_end(&id, status, at) else {
            return;
        };
        if exec.is_probe {
            return;
        }
        let mut facts = crate::exec::exec_facts(&id, &exec.spec);
        facts.push(("exit_code".to_owned(), status.code().to_string()));
        let told = self.tell(Action::ExecDie, facts).await;
        self.log_failure("record the end of an exec", told);
    }
}

/// What a probe's result means: failures count from the end of the start period
/// on, and the first success ends that period.
fn judge(health: &mut Health, check: &HealthCheck, result: ProbeResult, since: Timestamp) {
    let success = result.exit_code == 0;
    let starting =
        health.status == HealthStatus::Starting && result.started.since(since) < check.start_period.unwrap_or_default();
    health.probes.push(result);
    if health.probes.len() > KEPT_PROBES {
        health.probes.remove(0);
    }
    if success {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else if !starting {
        health.failing_streak += 1;
        let retries = check.retries.filter(|retries| *retries > 0).unwrap_or(DEFAULT_RETRIES);
        if health.failing_streak >= retries {
            health.status = HealthStatus::Unhealthy;
        }
    }
}

/// Probes one run until it is told to stop.
struct Prober {
    engine: Engine,
    container: ContainerId,
    run: u64,
    check: HealthCheck,
    requests: mpsc::WeakSender<Request>,
}

impl Prober {
    async fn probe(&self) {
        let or = |duration: Option<Duration>, default| duration.filter(|d| !d.is_zero()).unwrap_or(default);
        let began = Instant::now();
        let start_period = self.check.start_period.unwrap_or_default();
        loop {
            let healthy = self.engine.inspect(&self.container).is_ok_and(|view| {
                view.health
                    .as_ref()
                    .is_some_and(|health| health.status != HealthStatus::Starting)
            });
            let interval = if !healthy && began.elapsed() < start_period {
                or(self.check.start_interval, DEFAULT_START_INTERVAL)
            } else {
                or(self.check.interval, DEFAULT_INTERVAL)
            };
            tokio::time::sleep(interval).await;
            let Ok(view) = self.engine.inspect(&self.container) else {
                return;
            };
            // Nothing answers while it is frozen.
            if !matches!(view.state, model::container::State::Running { .. }) {
                continue;
            }
            let result = self.probe_once(or(self.check.timeout, DEFAULT_TIMEOUT)).await;
            let Some(requests) = self.requests.upgrade() else {
                return;
            };
            let probed = Request::Probed { run: self.run, result };
            if requests.send(probed).await.is_err() {
                return;
            }
        }
    }

    async fn probe_once(&self, limit: Duration) -> ProbeResult {
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
        let started = clock::now();
        let outcome: Result<_, EngineError> = self
            .engine
            .run_probe(&self.container, spec, limit, KEPT_OUTPUT_BYTES)
            .await;
        let (exit_code, output) = match outcome {
            Ok(Some((code, output))) => (code, output),
            Ok(None) => (
                -1,
                format!("the probe took longer than {} s and was killed", limit.as_secs()).into_bytes(),
            ),
            Err(error) => (-1, error.to_string().into_bytes()),
        };
        ProbeResult {
            started,
            ended: clock::now(),
            exit_code,
            output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(second: i64, exit_code: i32) -> ProbeResult {
        let at = Timestamp::from_unix_nanos(second * 1_000_000_000);
        ProbeResult {
            started: at,
            ended: at,
            exit_code,
            output: Vec::new(),
        }
    }

    fn check() -> HealthCheck {
        HealthCheck {
            test: Probe::Shell("true".to_owned()),
            interval: None,
            timeout: None,
            retries: Some(2),
            start_period: Some(Duration::from_secs(10)),
            start_interval: None,
        }
    }

    fn starting() -> Health {
        Health {
            status: HealthStatus::Starting,
            failing_streak: 0,
            probes: Vec::new(),
        }
    }

    #[test]
    fn failures_in_the_start_period_do_not_count() {
        let mut health = starting();
        for second in 0..10 {
            judge(&mut health, &check(), result(second, 1), Timestamp::default());
        }
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Starting, 0));
        judge(&mut health, &check(), result(10, 1), Timestamp::default());
        judge(&mut health, &check(), result(11, 1), Timestamp::default());
        assert_eq!(health.status, HealthStatus::Unhealthy);
        assert_eq!(health.probes.len(), KEPT_PROBES);
    }

    #[test]
    fn a_success_ends_the_start_period_and_heals() {
        let mut health = starting();
        judge(&mut health, &check(), result(1, 0), Timestamp::default());
        assert_eq!(health.status, HealthStatus::Healthy);
        judge(&mut health, &check(), result(2, 1), Timestamp::default());
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Healthy, 1));
    }
}
