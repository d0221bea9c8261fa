//! Health: what probes beside a running container say of it. It outlives the server
//! as the container does, and is shown with the run's end.

use crate::blocking::blocking;
use crate::containers::keeper::Keeper;
use crate::containers::prober::Prober;
use crate::containers::view::{Health, HealthStatus, ProbeResult};
use crate::containers::{health_file, prober};
use crate::error::Doing;
use model::Timestamp;
use model::container::health::HealthCheck;
use model::container::{ExitStatus, State};
use model::event::Action;
use tokio_util::sync::CancellationToken;

const DEFAULT_RETRIES: u32 = 3;
const KEPT_PROBES: usize = 5;

impl Keeper {
    /// Begins the probes of a run that has just begun, or was found running with
    /// what was `known` of its health.
    pub(super) fn begin_health(&mut self, known: Option<Health>) {
        self.probes = None;
        let Some(check) = self.record.spec.health.clone() else {
            self.health = None;
            return;
        };
        let Some(requests) = self.own_requests.upgrade() else {
            return;
        };
        let last = known
            .as_ref()
            .and_then(|health| health.probes.last())
            .map(|probe| probe.ended);
        self.health = Some(known.unwrap_or(Health {
            status: HealthStatus::Starting,
            failing_streak: 0,
            probes: Vec::new(),
        }));
        let stop = CancellationToken::new();
        self.probes = Some(stop.clone().drop_guard());
        let prober = Prober {
            engine: self.engine.clone().into(),
            container: self.record.id.clone(),
            run: self.record.run,
            check,
            requests: requests.downgrade(),
        };
        let ending = self.engine.ending.clone();
        self.engine.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = ending.cancelled() => {}
                () = prober.probe(last) => {}
            }
        });
    }

    /// The run is over. What its probes said is kept to be looked at.
    pub(super) fn end_health(&mut self) {
        self.probes = None;
    }

    /// What an earlier server knew of the present run's health.
    pub(super) async fn read_health(&self) -> Option<Health> {
        self.record.spec.health.as_ref()?;
        let (path, run) = (self.dirs().health(), self.record.run);
        let read = blocking("read what probes said", move || {
            health_file::read(&path, run).doing(|| format!("read `{}`", path.display()))
        });
        match read.await {
            Ok(health) => health,
            Err(error) => {
                tracing::warn!(container = self.record.id.short(), %error, "the health is judged anew");
                None
            }
        }
    }

    pub(super) async fn probed(&mut self, run: u64, result: ProbeResult) {
        if run != self.record.run {
            return;
        }
        let path = self.dirs().health();
        let (Some(health), Some(check)) = (&mut self.health, &self.record.spec.health) else {
            return;
        };
        // What could not answer because it was frozen says nothing.
        let State::Running { since, .. } = self.record.state else {
            return;
        };
        let before = health.status;
        judge(health, check, result, since);
        let after = health.status;
        let known = health.clone();
        self.show();
        let written = blocking("write what probes said", move || {
            health_file::write(&path, run, &known).doing(|| format!("write `{}`", path.display()))
        });
        let written = written.await;
        self.log_failure("write down what a probe said", written);
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
        let Some(id) = crate::exec::ExecId::parse(exec_id) else {
            return;
        };
        let Some(exec) = self.engine.execs.record_end(&id, status, at) else {
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
    let starting = prober::in_start_period(health.status, check, result.started, since);
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::health::Probe;
    use std::time::Duration;

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
