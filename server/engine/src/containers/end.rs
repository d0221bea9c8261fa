//! The end of a run: recorded, cleaned up after, and perhaps begun again.

use crate::blocking::blocking;
use crate::clock;
use crate::containers::keeper::{Flow, Keeper, planned};
use crate::containers::request::AndThen;
use crate::containers::stop::Stopping;
use crate::containers::unsaved::{RunEnd, WRITE_AGAIN};
use crate::containers::view::ExitInfo;
use crate::error::{Doing, EngineError};
use crate::layout::read_if_there;
use crate::shim;
use model::container::restart::{Occasion, next_delay};
use model::container::{ExitStatus, InitProcess, Loss, State};
use model::event::Action;
use model::{Signal, Timestamp};
use shim_protocol::{Command, ExitRecord};
use std::time::Duration;
use store::containers::ContainerRecord;
use tokio::time::Instant;

/// Between attempts to write down an end that the database refuses: its disk is full.
const RECORD_AGAIN: Duration = Duration::from_secs(2);
/// What a killed process may take to be gone.
const DEATH_LIMIT: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    Recorded(ExitRecord),
    /// No record was left.
    Lost(Loss),
}

/// An end that could not be written down, and is tried again: the shim keeps its
/// record until then.
#[derive(Debug)]
pub(super) struct Unrecorded {
    pub(super) end: End,
    pub(super) again: Instant,
}

pub(super) fn show_loss(why: Loss) -> &'static str {
    match why {
        Loss::HostRestarted => "the host restarted; nobody knows how it ended",
        Loss::ShimKilled => "its shim was killed; nobody knows how it ended",
    }
}

impl Keeper {
    /// The run is over. Records it, lets the shim go, cleans up, answers those who
    /// wait for a stop, and starts again or removes where that is wanted.
    pub(super) async fn ended(&mut self, end: End) -> Flow {
        if let Err(error) = self.record_end(&end).await {
            // Nobody is told of an end that the next server would not know of.
            tracing::error!(container = self.record.id.short(), %error, "cannot record an exit; tried again");
            self.unrecorded = Some(Unrecorded {
                end,
                again: Instant::now() + RECORD_AGAIN,
            });
            return Flow::GoOn;
        }
        self.unrecorded = None;
        if let Some(mut shim) = self.shim.take() {
            match end {
                End::Recorded(_) => drop(shim.ask(Command::Release).await),
                // It did not even tell of the end.
                End::Lost(_) => self.kill_shim(),
            }
        }
        self.clean_up().await;
        let (and_then, waiting) = match self.stopping.take() {
            Some(Stopping { and_then, waiting, .. }) => (Some(and_then), waiting),
            None => (None, Vec::new()),
        };
        let mut flow = Flow::GoOn;
        let mut outcome = Ok(());
        if and_then == Some(AndThen::Start) {
            outcome = self.start_by_hand().await;
            flow = self.remove_if_failed_start(&outcome).await;
            if outcome.is_ok() {
                let told = self.tell(Action::Restart, Vec::new()).await;
                self.log_failure("record a restart", told);
            }
        } else if self.record.spec.auto_remove {
            flow = self.remove_after_end().await;
        }
        // The first to ask hears how the start went that a restart asked for.
        let mut waiting = waiting.into_iter();
        if let Some(first) = waiting.next() {
            let _ = first.send(outcome);
        }
        for reply in waiting {
            let _ = reply.send(Ok(()));
        }
        flow
    }

    async fn record_end(&mut self, end: &End) -> Result<(), EngineError> {
        let since = match &self.record.state {
            State::Running { since, .. } | State::Paused { since, .. } => Some(*since),
            State::Created | State::Exited { .. } | State::Failed { .. } | State::Lost { .. } => None,
        };
        let mut next = self.record.clone();
        next.state = end_state(end, since);
        next.ports = Vec::new();
        if self.stopping.is_none() && !self.kill_is_recent() {
            // A signal that was sent long ago and was survived did not end this run.
            next.stopped_by = next.stopped_by.filter(|_| self.killed_at.is_none());
        }
        let (code, oom_killed, error, at) = told(&next.state);
        next.restart_delay = delay_after(&next, code, since.map(|since| at.since(since)).unwrap_or_default());
        // A stop for another reason than rest says itself what comes next.
        let for_good = self
            .stopping
            .as_ref()
            .is_none_or(|stopping| stopping.and_then == AndThen::Rest);
        let plans = for_good && !next.spec.auto_remove;
        let mut events = Vec::new();
        let mut facts = vec![("exit_code".to_owned(), code.to_string())];
        if let Some(error) = &error {
            facts.push(("error".to_owned(), error.clone()));
        }
        if oom_killed {
            facts.push(("oom_killed".to_owned(), "true".to_owned()));
        }
        if let Some(by) = &next.stopped_by {
            facts.push(("stopped_by".to_owned(), by.name().to_owned()));
        }
        if let Some(since) = since {
            facts.push(("execution_ms".to_owned(), at.since(since).as_millis().to_string()));
        }
        events.push((Action::Die, facts));
        if self.stopping.is_some() {
            let by = next.stopped_by.iter().map(|by| ("by".to_owned(), by.name().to_owned()));
            events.push((Action::Stop, by.collect()));
        }
        let known = !matches!(next.state, State::Lost { .. });
        let run_end = RunEnd {
            run: next.run,
            at,
            code: known.then_some(code),
            oom_killed,
            stopped_by: next.stopped_by.clone(),
        };
        // Shown together with the row.
        let before = self.last_exit.replace(ExitInfo {
            run: next.run,
            code,
            oom_killed,
            error,
            at,
        });
        if let Err(error) = self.save_run_end(next, vec![run_end], events).await {
            self.last_exit = before;
            return Err(error);
        }
        self.killed_at = None;
        self.end_health();
        if plans {
            self.plan_restart(Occasion::Exited { code });
        }
        self.show();
        Ok(())
    }

    /// Takes back what a run held of the host. Each step is tried, each failure told.
    pub(super) async fn clean_up(&mut self) {
        self.engine.execs.end_all_of(&self.record.id);
        self.forget_holds();
        let (engine, id) = (self.engine.clone(), self.record.id.clone());
        let endpoint = self.record.endpoint.clone();
        let group = self.group();
        let outcome = blocking("clean up after a container", move || {
            let mut failures = Vec::new();
            if let Some(endpoint) = endpoint {
                if let Err(error) = engine.unpublish_ports(&id) {
                    failures.push(error.to_string());
                }
                if let Err(error) = engine.network.detach(&endpoint) {
                    failures.push(error.to_string());
                }
            }
            engine.addresses.release(&id);
            // The shim did this; where it was killed, we do.
            if let Err(error) = group.remove() {
                failures.push(error.to_string());
            }
            if failures.is_empty() {
                Ok(())
            } else {
                Err(EngineError::Conflict(failures.join("; ")))
            }
        })
        .await;
        self.log_failure("clean up after a container", outcome);
    }

    /// The code the last run ended with, as restart policies judge it.
    pub(super) fn exit_code(&self) -> i32 {
        self.last_exit.as_ref().map_or(0, |exit| exit.code)
    }

    /// Plans the next start where the policy wants one: after the wait that was
    /// written down with the end, or what is left of it.
    pub(super) fn plan_restart(&mut self, occasion: Occasion) {
        let record = &self.record;
        let wants = record
            .spec
            .restart
            .wants_restart(occasion, record.stopped_by_hand, record.restart_count);
        if record.run == 0 || !wants {
            return;
        }
        let delay = match occasion {
            Occasion::ServerStarted => Duration::ZERO,
            Occasion::Exited { .. } => {
                let whole = record.restart_delay.unwrap_or_default();
                let ended = self.last_exit.as_ref().map(|exit| exit.at);
                whole.saturating_sub(ended.map(|at| clock::now().since(at)).unwrap_or_default())
            }
        };
        self.restart = Some(planned(delay));
        self.show();
    }

    /// A policy that was changed may not want the restart any more that waits.
    pub(super) fn reconsider_restart(&mut self) {
        let record = &self.record;
        let occasion = Occasion::Exited { code: self.exit_code() };
        let wants = record
            .spec
            .restart
            .wants_restart(occasion, record.stopped_by_hand, record.restart_count);
        if !wants {
            self.restart = None;
        }
    }

    /// The wait is over. A start that fails is tried again like a run that ended.
    pub(super) async fn restart_now(&mut self) -> Flow {
        let outcome = self.start(self.record.restart_count.saturating_add(1)).await;
        self.restart = None;
        match outcome {
            Ok(()) | Err(EngineError::Ending) => {}
            Err(error) => {
                tracing::warn!(container = self.record.id.short(), %error, "a restart failed");
                if error.is_disk_full() {
                    // Nothing was recorded that a wait could grow by.
                    self.restart = Some(planned(WRITE_AGAIN));
                } else {
                    self.plan_restart(Occasion::Exited { code: self.exit_code() });
                }
                self.show();
            }
        }
        Flow::GoOn
    }

    /// The connection to the shim closed without a word. It may have dropped us, or
    /// it is dead.
    pub(super) async fn shim_closed(&mut self) -> Flow {
        self.shim = None;
        let Some(init) = self.record.state.init() else {
            return Flow::GoOn;
        };
        if let Ok(mut shim) = shim::connect(&self.dirs().run).await
            && let Ok(state) = shim.state().await
            && state.run == self.record.run
        {
            self.shim = Some(shim);
            self.adopt_execs(state.execs).await;
            if let shim_protocol::InitState::Exited(record) = state.init {
                return self.ended(End::Recorded(record)).await;
            }
            return Flow::GoOn;
        }
        match self.read_exit_record().await {
            Some(record) => self.ended(End::Recorded(record)).await,
            None => {
                self.kill_leftovers(init).await;
                self.ended(End::Lost(Loss::ShimKilled)).await
            }
        }
    }

    /// What a shim of this run left.
    pub(super) async fn read_exit_record(&self) -> Option<ExitRecord> {
        let path = self.dirs().exit_record();
        let read = blocking("read an exit record", move || {
            read_if_there(&path).doing(|| format!("read `{}`", path.display()))
        });
        match read.await {
            Ok(Some(bytes)) => match ExitRecord::from_json(&bytes) {
                Ok(record) => Some(record).filter(|record| record.run == self.record.run),
                Err(error) => {
                    tracing::error!(container = self.record.id.short(), %error, "cannot read an exit record");
                    None
                }
            },
            Ok(None) => None,
            Err(error) => {
                tracing::error!(container = self.record.id.short(), %error, "cannot read an exit record");
                None
            }
        }
    }

    /// One that does not answer any more would stay for ever.
    pub(super) fn kill_shim(&self) {
        shim::signal_process(&self.dirs().run, Signal::KILL);
    }

    /// Kills what lives on without its shim: the cgroup, and init by a handle that
    /// is known to be the same process.
    pub(super) async fn kill_leftovers(&self, init: InitProcess) {
        self.kill_shim();
        let killed = self.kill_group().await;
        self.log_failure("kill the processes of a container", killed);
        if let Ok(Some(handle)) = sys::pidfd::open_if_same(init.pid, init.start_ticks) {
            let _ = sys::pidfd::send_signal(&handle, 9);
            // Nothing may be said to be over before it is.
            let gone = blocking("wait for a process's end", move || {
                sys::pidfd::wait_for_end(&handle, DEATH_LIMIT).doing(|| "wait for a process's end".to_owned())
            });
            self.log_failure("wait for the end of a killed process", gone.await);
        }
    }

    pub(super) async fn kill_group(&self) -> Result<(), EngineError> {
        let (group, name) = (self.group(), self.name());
        blocking("kill the processes of a container", move || {
            if !group.exists() {
                return Ok(());
            }
            group
                .kill_all()
                .doing(|| format!("kill the processes of container `{name}`"))
        })
        .await
    }
}

/// The wait before the next start, where the policy wants one after this end of a
/// run that took `run_time`; otherwise the wait before the last one.
pub(super) fn delay_after(record: &ContainerRecord, code: i32, run_time: Duration) -> Option<Duration> {
    let wants =
        record
            .spec
            .restart
            .wants_restart(Occasion::Exited { code }, record.stopped_by_hand, record.restart_count);
    if wants {
        Some(next_delay(record.restart_delay, run_time))
    } else {
        record.restart_delay
    }
}

fn end_state(end: &End, since: Option<Timestamp>) -> State {
    match end {
        End::Recorded(record) => {
            let at = Timestamp::from_unix_nanos(record.at_ns);
            let status: ExitStatus = record.status.into();
            match &record.failure {
                Some(reason) => State::Failed {
                    code: status.code(),
                    reason: reason.clone(),
                    at,
                },
                None => State::Exited {
                    status,
                    started: record
                        .started_at_ns
                        .map(Timestamp::from_unix_nanos)
                        .or(since)
                        .unwrap_or(at),
                    at,
                    oom_killed: record.oom_killed,
                },
            }
        }
        End::Lost(why) => State::Lost {
            at: clock::now(),
            why: *why,
        },
    }
}

/// Code, whether memory ran out, words for people, and when.
fn told(state: &State) -> (i32, bool, Option<String>, Timestamp) {
    match state {
        State::Exited {
            status, at, oom_killed, ..
        } => (status.code(), *oom_killed, None, *at),
        State::Failed { code, reason, at } => (*code, false, Some(reason.clone()), *at),
        State::Lost { at, why } => (255, false, Some(show_loss(*why).to_owned()), *at),
        State::Created | State::Running { .. } | State::Paused { .. } => (0, false, None, clock::now()),
    }
}
