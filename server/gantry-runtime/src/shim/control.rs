//! What the server asks on control connections.

use super::console::problem;
use super::container::StartFailure;
use super::event_loop::{Phase, Shim};
use super::now_ns;
use super::process::ProcessKey;
use shim_protocol::{Command, Event, ExitStatus, FromShim, InitState, Problem, Reply, Request, State, Target};
use std::time::{Duration, Instant};

const OOM_LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Ended execs whose status can still be asked for.
const REMEMBERED_EXECS: usize = 100;

impl Shim {
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let seq = request.seq;
        let outcome = match &request.command {
            Command::Start => self.start(),
            Command::Signal { target, signal } => self.signal(target, *signal),
            Command::Resize { target, rows, cols } => self.resize(target, *rows, *cols),
            Command::CloseStdin { target } => self.find_process(target).map(|key| self.end_input_after_clients(key)),
            Command::State => {
                return Reply {
                    state: Some(Box::new(self.state())),
                    ..Reply::ok(seq)
                };
            }
            Command::Release => self.release(),
            Command::Unknown => Err(problem("", "this shim does not know the request")),
        };
        match outcome {
            Ok(()) => Reply::ok(seq),
            Err(problem) => Reply::refuse(seq, problem),
        }
    }

    fn start(&mut self) -> Result<(), Problem> {
        match self.phase {
            Phase::Created => {}
            Phase::Running { .. } => return Ok(()),
            Phase::Ending { .. } | Phase::Exited(_) => return Err(problem("start", "the container has ended")),
        }
        match self.container.start() {
            Ok(()) => {
                self.phase = Phase::Running {
                    started_at_ns: now_ns(),
                };
                Ok(())
            }
            Err(StartFailure { step, message, code }) => {
                let status = ExitStatus::Code(u8::try_from(code).unwrap_or(128));
                self.failure = Some(message.clone());
                // Whatever became of init, it runs nothing of the user's.
                let _ = self.processes[&ProcessKey::INIT].signal(model::Signal::KILL.number());
                self.init_ended(status);
                Err(Problem {
                    step,
                    message,
                    code: Some(code),
                })
            }
        }
    }

    fn signal(&mut self, target: &Target, signal: i32) -> Result<(), Problem> {
        let key = self.find_process(target)?;
        self.processes[&key]
            .signal(signal)
            .map_err(|error| problem("signal", format!("{error:#}")))
    }

    fn release(&mut self) -> Result<(), Problem> {
        match self.phase {
            Phase::Exited(_) => {
                self.released = true;
                Ok(())
            }
            Phase::Created | Phase::Running { .. } | Phase::Ending { .. } => {
                Err(problem("release", "the container has not ended"))
            }
        }
    }

    fn state(&self) -> State {
        let live = self.processes.values().filter_map(super::process::Process::exec_state);
        State {
            id: self.launch.id.clone(),
            run: self.launch.run,
            process: self.init,
            init: match &self.phase {
                Phase::Created => InitState::Created,
                Phase::Running { started_at_ns } => InitState::Running {
                    started_at_ns: *started_at_ns,
                },
                Phase::Ending { .. } => InitState::Ending,
                Phase::Exited(record) => InitState::Exited(record.clone()),
            },
            execs: self.ended_execs.iter().cloned().chain(live).collect(),
            dropped_records: self.log.dropped(),
            oom_kills: self.container.oom_kills(),
        }
    }

    /// The live process that is meant.
    pub(super) fn find_process(&self, target: &Target) -> Result<ProcessKey, Problem> {
        let found = match target {
            Target::Init => self
                .processes
                .get_key_value(&ProcessKey::INIT)
                .filter(|(_, process)| process.exit.is_none()),
            Target::Exec(id) => self
                .processes
                .iter()
                .find(|(_, process)| process.exit.is_none() && process.exec_id.as_ref() == Some(id)),
        };
        found.map(|(key, _)| *key).ok_or_else(|| match target {
            Target::Init => problem("", "the container has ended"),
            Target::Exec(id) => problem("", format!("no exec `{id}` is running")),
        })
    }

    /// Keeps how an exec ended for those who ask later.
    pub(super) fn remember_exec(&mut self, process: &super::process::Process) {
        self.ended_execs.extend(process.exec_state());
        if self.ended_execs.len() > REMEMBERED_EXECS {
            self.ended_execs.pop_front();
        }
    }

    /// The kernel may tell before it has killed and counted: looks now, and once
    /// more a little later.
    pub(super) fn memory_is_short(&mut self) {
        if let Some(watch) = self.container.oom_watch() {
            watch.clear();
        }
        self.tell_of_oom();
        self.oom_look_at.get_or_insert_with(|| Instant::now() + OOM_LOOK_AGAIN);
    }

    pub(super) fn tell_of_oom(&mut self) {
        if self.container.new_oom_kills() {
            self.tell(Event::Oom);
        }
    }

    /// Tells every control connection.
    pub(super) fn tell(&mut self, event: Event) {
        let message = FromShim::Event(event);
        let controls: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_control())
            .map(|(token, _)| *token)
            .collect();
        for token in controls {
            self.send_message(token, &message);
        }
    }
}
