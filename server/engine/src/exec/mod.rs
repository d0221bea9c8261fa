//! Execs: further processes in a running container.

mod console;
mod kept;
mod known;
mod probe;

pub(crate) use console::Consoles;
pub use console::{Console, ConsoleClient, ConsoleInput};
pub(crate) use known::Execs;
pub(crate) use probe::Probed;

use crate::attach::Attached;
use crate::blocking::blocking;
use crate::clock;
use crate::containers::{bundle, keeper::with_facts_of};
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use crate::shim::{self, ShimError};
use model::Timestamp;
use model::container::{ContainerId, ExitStatus, Verdict};
use model::event::{Action, Subject};
use shim_protocol::{Command, Target, WindowSize};
use std::fmt;

/// 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecId(pub(crate) String);

impl ExecId {
    /// `None` unless it is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        ContainerId::parse(text).ok().map(|id| Self(id.as_str().to_owned()))
    }

    fn random() -> Self {
        Self(ContainerId::from_random(rand::random()).as_str().to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be run. `None` and empty take the container's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecSpec {
    pub command: Vec<String>,
    /// Added to the container's.
    pub env: Vec<String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub terminal: bool,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub privileged: bool,
    /// Typed, they end the attachment and not the command; the front doors read them.
    pub detach_keys: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub id: ExecId,
    pub container: ContainerId,
    pub spec: ExecSpec,
    pub state: ExecState,
    /// The engine's own, of which nothing is told.
    pub(crate) is_probe: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecState {
    Created,
    /// Asked for, and not known to run yet.
    Starting,
    Running {
        pid: i32,
        since: Timestamp,
    },
    Exited {
        status: ExitStatus,
        at: Timestamp,
    },
    /// The command never ran.
    Failed {
        code: i32,
        reason: String,
        at: Timestamp,
    },
}

impl ExecState {
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Exited { .. } | Self::Failed { .. })
    }
}

impl Engine {
    pub async fn exec_create(&self, container: &ContainerId, spec: ExecSpec) -> Result<ExecId, EngineError> {
        let view = self.inspect(container)?;
        if let Verdict::Refuse(refusal) = view.state.on_exec() {
            return Err(EngineError::Refused {
                name: view.spec.name.as_str().to_owned(),
                refusal,
            });
        }
        if spec.command.first().is_none_or(String::is_empty) {
            return Err(EngineError::invalid("command", "a command is needed"));
        }
        let texts = spec
            .command
            .iter()
            .chain(&spec.env)
            .chain(&spec.working_dir)
            .chain(&spec.user);
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(EngineError::invalid(
                "command",
                "no text of a command can contain a zero byte",
            ));
        }
        let id = ExecId::random();
        let facts = exec_facts(&id, &spec);
        self.inner.execs.insert(Exec {
            id: id.clone(),
            container: container.clone(),
            spec,
            state: ExecState::Created,
            is_probe: false,
        });
        self.tell_of_exec(container, Action::ExecCreate, facts).await?;
        Ok(id)
    }

    /// Runs it; the answer carries its streams unless it is `detach`ed. Once only.
    pub async fn exec_start(
        &self,
        id: &ExecId,
        detach: bool,
        size: Option<(u16, u16)>,
    ) -> Result<Option<Attached>, EngineError> {
        let exec = self.exec_inspect(id)?;
        let started = self.inner.execs.change(id, |exec| {
            (exec.state == ExecState::Created).then_some(ExecState::Starting)
        });
        if started.is_none() {
            return Err(EngineError::Conflict(format!(
                "exec {} was started already; make another",
                &id.as_str()[..12]
            )));
        }
        // Recorded first, as dockerd does: a short command can end before its start is answered.
        let facts = exec_facts(id, &exec.spec);
        let told = self.tell_of_exec(&exec.container, Action::ExecStart, facts).await;
        if let Err(error) = told {
            self.inner.execs.change(id, |_| Some(ExecState::Created));
            return Err(error);
        }
        self.run_exec(&exec, detach, size).await
    }

    pub fn exec_inspect(&self, id: &ExecId) -> Result<Exec, EngineError> {
        self.inner.execs.watch(id).map(|exec| exec.borrow().clone())
    }

    /// By container; oldest first is not promised.
    pub fn execs(&self, container: &ContainerId) -> Vec<Exec> {
        let all = self.inner.execs.all_of(container);
        all.into_iter().filter(|exec| !exec.is_probe).collect()
    }

    /// Waits until it is over.
    pub async fn exec_wait(&self, id: &ExecId) -> Result<Exec, EngineError> {
        let mut watched = self.inner.execs.watch(id)?;
        let over = watched.wait_for(|exec| exec.state.is_over()).await;
        over.map(|exec| exec.clone()).map_err(|_| EngineError::Ending)
    }

    pub async fn exec_resize(&self, id: &ExecId, rows: u16, cols: u16) -> Result<(), EngineError> {
        let exec = self.exec_inspect(id)?;
        if !exec.spec.terminal {
            return Err(EngineError::Conflict("this exec has no terminal to resize".to_owned()));
        }
        let command = Command::Resize {
            target: Target::Exec(id.0.clone()),
            rows,
            cols,
        };
        self.ask_shim(&exec.container, command)
            .await
            .doing(|| "resize the terminal of an exec".to_owned())
    }

    /// Sends a signal to its process.
    pub async fn exec_kill(&self, id: &ExecId, signal: model::Signal) -> Result<(), EngineError> {
        let exec = self.exec_inspect(id)?;
        let command = Command::Signal {
            target: Target::Exec(id.0.clone()),
            signal: signal.number(),
        };
        self.ask_shim(&exec.container, command)
            .await
            .doing(|| format!("send {signal} to an exec"))
    }

    /// Ends the main process's input, after all that attached clients have sent.
    pub async fn close_input(&self, id: &ContainerId) -> Result<(), EngineError> {
        let name = self.inspect(id)?.spec.name.as_str().to_owned();
        let command = Command::CloseStdin { target: Target::Init };
        self.ask_shim(id, command)
            .await
            .doing(|| format!("end the input of container `{name}`"))
    }

    async fn ask_shim(&self, container: &ContainerId, command: Command) -> Result<(), ShimError> {
        let run_dir = self.inner.layout.container(container).run;
        shim::connect(&run_dir).await?.ask(command).await.map(|_| ())
    }

    /// Begins an exec that has been claimed, and notes what became of it.
    async fn run_exec(
        &self,
        exec: &Exec,
        detach: bool,
        size: Option<(u16, u16)>,
    ) -> Result<Option<Attached>, EngineError> {
        let dirs = self.inner.layout.container(&exec.container);
        self.inspect(&exec.container)?;
        let process = blocking("read a container's configuration", {
            let (dirs, spec) = (dirs.clone(), exec.spec.clone());
            move || bundle::exec_process(&dirs, &spec)
        })
        .await;
        let request = |process| shim_protocol::Exec {
            exec_id: exec.id.0.clone(),
            process,
            stdin: exec.spec.stdin,
            stdout: exec.spec.stdout,
            stderr: exec.spec.stderr,
            detach,
            size: size.map(|(rows, cols)| WindowSize { rows, cols }),
            kept: Some(kept::write(exec)),
        };
        let outcome = match process {
            Ok(process) => shim::exec(&dirs.run, request(process))
                .await
                .map_err(|error| match error {
                    ShimError::Refused(problem) => EngineError::ExecFailed {
                        code: problem.code.unwrap_or(126),
                        step: problem.step,
                        reason: problem.message,
                    },
                    other => EngineError::ExecFailed {
                        code: 126,
                        step: String::new(),
                        reason: other.to_string(),
                    },
                }),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((stream, identity)) => {
                // Its end may have been heard of already.
                self.inner.execs.change(&exec.id, |exec| {
                    (exec.state == ExecState::Starting).then(|| ExecState::Running {
                        pid: identity.pid,
                        since: clock::now(),
                    })
                });
                Ok((!detach).then(|| Attached::new(stream, exec.spec.terminal)))
            }
            Err(error) => {
                self.inner.execs.change(&exec.id, |_| {
                    Some(ExecState::Failed {
                        code: match &error {
                            EngineError::ExecFailed { code, .. } => *code,
                            _ => 126,
                        },
                        reason: error.to_string(),
                        at: clock::now(),
                    })
                });
                Err(error)
            }
        }
    }

    async fn tell_of_exec(
        &self,
        container: &ContainerId,
        action: Action,
        facts: Vec<(String, String)>,
    ) -> Result<(), EngineError> {
        let view = self.inspect(container)?;
        let mut change = self.inner.journal.change().await?;
        let subject = Subject::Container(container.as_str().to_owned());
        change.event(subject, action, with_facts_of(&view.spec, facts)).await?;
        change.commit(|| {}).await
    }
}

pub(crate) fn exec_facts(id: &ExecId, spec: &ExecSpec) -> Vec<(String, String)> {
    vec![
        ("exec_id".to_owned(), id.0.clone()),
        ("command".to_owned(), spec.command.join(" ")),
    ]
}
