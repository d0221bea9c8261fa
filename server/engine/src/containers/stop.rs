//! Ending what runs: signals, patience, and force.

use crate::containers::keeper::{Flow, Keeper};
use crate::containers::request::{AndThen, Reply};
use crate::error::{Doing, EngineError};
use crate::shim::ShimError;
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{State, StoppedBy, Verdict};
use model::event::Action;
use shim_protocol::{Command, Target};
use std::time::Duration;
use tokio::time::Instant;

const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);
/// Where the signal could not even be sent.
const AFTER_FAILED_SIGNAL: Duration = Duration::from_secs(2);
/// Of a shim that has nothing else to do.
const SHIM_ANSWER: Duration = Duration::from_secs(5);
/// What KILL may take: the processes may be in the middle of writing to a slow disk.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// A run that ends later than this after a signal ended for another reason.
const KILL_EFFECT_LIMIT: Duration = Duration::from_mins(1);

/// How a run is to be stopped; `None` takes what the container or its image says.
#[derive(Debug, Clone, Copy)]
pub(super) struct StopHow {
    /// Until it is killed.
    pub(super) timeout: Option<StopTimeout>,
    pub(super) signal: Option<Signal>,
}

/// A stop that was asked for and is not over.
#[derive(Debug)]
pub(super) struct Stopping {
    /// `None` waits for ever.
    pub(super) deadline: Option<Instant>,
    killed: bool,
    shim_killed: bool,
    pub(super) and_then: AndThen,
    pub(super) waiting: Vec<Reply<()>>,
}

impl Keeper {
    pub(super) async fn stop(&mut self, how: StopHow, and_then: AndThen, by: StoppedBy, reply: Reply<()>) -> Flow {
        match self.record.state.on_stop() {
            Verdict::Go => {}
            Verdict::AlreadySo | Verdict::Refuse(_) => {
                return self.stop_what_rests(and_then, reply).await;
            }
        }
        if let Err(error) = self.begin_stop(how, and_then, by).await {
            let _ = reply.send(Err(error));
            return Flow::GoOn;
        }
        if let Some(stopping) = &mut self.stopping {
            stopping.waiting.push(reply);
        }
        Flow::GoOn
    }

    /// Nothing runs; a restart may be planned, which a stop takes back.
    async fn stop_what_rests(&mut self, and_then: AndThen, reply: Reply<()>) -> Flow {
        let outcome = if and_then == AndThen::Start {
            self.start_by_hand().await
        } else if self.restart.is_some() && and_then == AndThen::Rest {
            let mut next = self.record.clone();
            next.stopped_by_hand = true;
            self.restart = None;
            // The view changes from restarting to exited, so readers of events must be told.
            self.save_end(next, vec![(Action::Stop, Vec::new())]).await
        } else {
            self.restart = None;
            Ok(())
        };
        let flow = self.remove_if_failed_start(&outcome).await;
        let _ = reply.send(outcome);
        flow
    }

    async fn begin_stop(&mut self, how: StopHow, and_then: AndThen, by: StoppedBy) -> Result<(), EngineError> {
        let StopHow { timeout, signal } = how;
        let signal = signal.or(self.record.spec.stop_signal).unwrap_or(Signal::TERM);
        let patience = match timeout.or(self.record.spec.stop_timeout) {
            None => Some(DEFAULT_PATIENCE),
            Some(StopTimeout::After(patience)) => Some(patience),
            Some(StopTimeout::Never) => None,
        };
        // Lasting before the signal goes out: should the server die in between, the
        // container is not started again.
        let mut next = self.record.clone();
        next.stopped_by_hand = and_then == AndThen::Rest;
        let told = vec![
            ("signal".to_owned(), signal.number().to_string()),
            ("by".to_owned(), by.name().to_owned()),
        ];
        next.stopped_by = Some(by);
        self.save_end(next, vec![(Action::Kill, told)]).await?;
        // A frozen process takes no signal.
        if matches!(self.record.state, State::Paused { .. }) {
            self.thaw().await?;
        }
        let sent = self.signal(signal).await;
        let (deadline, killed) = match (sent, patience) {
            (Ok(()), Some(Duration::ZERO)) => {
                self.signal(Signal::KILL).await.ok();
                (Some(Instant::now() + AFTER_KILL), true)
            }
            (Ok(()), patience) => (patience.map(|patience| Instant::now() + patience), false),
            (Err(error), _) => {
                tracing::warn!(container = self.record.id.short(), %error, "the stop signal could not be sent");
                (Some(Instant::now() + AFTER_FAILED_SIGNAL), false)
            }
        };
        let waiting = self
            .stopping
            .take()
            .map(|stopping| stopping.waiting)
            .unwrap_or_default();
        self.stopping = Some(Stopping {
            deadline,
            killed,
            shim_killed: false,
            and_then,
            waiting,
        });
        Ok(())
    }

    /// The time given is over: first KILL, then the cgroup as a whole, then the truth.
    pub(super) async fn stop_takes_too_long(&mut self) -> Flow {
        let Some(mut stopping) = self.stopping.take() else {
            return Flow::GoOn;
        };
        if stopping.killed && !stopping.shim_killed && !self.shim_answers().await {
            // Its processes are gone; what does not tell of it is the shim.
            tracing::warn!(
                container = self.record.id.short(),
                "the shim does not answer and is killed"
            );
            let killed = self.kill_group().await;
            self.log_failure("kill the processes of a container", killed);
            self.kill_shim();
            stopping.shim_killed = true;
            stopping.deadline = Some(Instant::now() + AFTER_KILL);
            self.stopping = Some(stopping);
            return Flow::GoOn;
        }
        if stopping.killed {
            for reply in stopping.waiting {
                let _ = reply.send(Err(EngineError::TimedOut {
                    what: format!("ending container `{}`, even by force,", self.name()),
                    limit_s: AFTER_KILL.as_secs(),
                }));
            }
            return Flow::GoOn;
        }
        let told = vec![("signal".to_owned(), Signal::KILL.number().to_string())];
        let told = self.tell(Action::Kill, told).await;
        self.log_failure("record a KILL", told);
        if self.signal(Signal::KILL).await.is_err() {
            let killed = self.kill_group().await;
            self.log_failure("kill the processes of a container", killed);
        }
        stopping.killed = true;
        stopping.deadline = Some(Instant::now() + AFTER_KILL);
        self.stopping = Some(stopping);
        Flow::GoOn
    }

    async fn shim_answers(&mut self) -> bool {
        let Some(shim) = &mut self.shim else { return false };
        matches!(tokio::time::timeout(SHIM_ANSWER, shim.state()).await, Ok(Ok(_)))
    }

    pub(super) async fn kill(&mut self, signal: Signal, by: StoppedBy) -> Result<(), EngineError> {
        let ends = signal == Signal::KILL || signal == self.record.spec.stop_signal.unwrap_or(Signal::TERM);
        let told = vec![
            ("signal".to_owned(), signal.number().to_string()),
            ("by".to_owned(), by.name().to_owned()),
        ];
        if self.restart.is_some() {
            // No process is there to be signaled: the restart is cancelled, as `dockerd` does.
            if ends {
                let mut next = self.record.clone();
                next.stopped_by_hand = true;
                self.restart = None;
                self.save_end(next, vec![(Action::Kill, told)]).await?;
            }
            return Ok(());
        }
        if let Verdict::Refuse(refusal) = self.record.state.on_kill() {
            return Err(EngineError::Refused {
                name: self.name(),
                refusal,
            });
        }
        let mut next = self.record.clone();
        next.stopped_by_hand |= ends;
        if ends {
            next.stopped_by = Some(by);
        }
        self.save_end(next, vec![(Action::Kill, told)]).await?;
        if ends {
            self.killed_at = Some(Instant::now());
        }
        match self.signal(signal).await {
            // The process ended at the same time; its end is recorded next.
            Err(_) if self.init_is_gone() => return Ok(()),
            sent => sent.doing(|| format!("send {signal} to container `{}`", self.name()))?,
        }
        // A frozen v1 group does not even die.
        if signal == Signal::KILL && matches!(self.record.state, State::Paused { .. }) {
            self.thaw().await?;
        }
        Ok(())
    }

    fn init_is_gone(&self) -> bool {
        self.record
            .state
            .init()
            .is_none_or(|init| matches!(sys::pidfd::open_if_same(init.pid, init.start_ticks), Ok(None)))
    }

    /// Whether a signal that ends was sent so lately that an end now is its work.
    pub(super) fn kill_is_recent(&self) -> bool {
        self.killed_at.is_some_and(|at| at.elapsed() < KILL_EFFECT_LIMIT)
    }

    pub(super) async fn signal(&mut self, signal: Signal) -> Result<(), ShimError> {
        let shim = self.shim.as_mut().ok_or(ShimError::Gone)?;
        let command = Command::Signal {
            target: Target::Init,
            signal: signal.number(),
        };
        shim.ask(command).await.map(|_| ())
    }
}
