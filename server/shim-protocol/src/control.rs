//! Control connections: requests, replies and events.

use crate::ExitStatus;
use model::container::InitProcess;
use serde::{Deserialize, Serialize};

/// Which process is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Init,
    /// An exec, by its id.
    Exec(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, repeated in the reply.
    pub seq: u64,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Lets the command begin. The reply comes once its program runs, or says why
    /// it does not (with the exit code 126, 127 or 128).
    Start,
    Signal {
        target: Target,
        signal: i32,
    },
    /// Sets the size of a terminal; the kernel tells the processes in it.
    Resize {
        target: Target,
        rows: u16,
        cols: u16,
    },
    /// Ends the standard input. Nothing happens on a terminal.
    CloseStdin {
        target: Target,
    },
    /// Asks for everything the shim knows.
    State,
    /// The exit is known to the server: the shim may go. Refused while init runs.
    Release,
    /// Something a newer server asks for.
    #[serde(other)]
    Unknown,
}

/// Everything a shim sends on a control connection, and the first frame on a raw
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FromShim {
    /// First answer on the launch channel: init waits to be started.
    Created(Identity),
    /// First answer on the launch channel: nothing was left behind.
    Failed(Problem),
    Reply(Reply),
    Event(Event),
    /// Something a newer shim sends.
    #[serde(other)]
    Unknown,
}

/// A process by pid and start time, since a bare pid comes to mean another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks after boot: field 22 of /proc/PID/stat, proc(5).
    pub start_ticks: u64,
}

impl From<InitProcess> for Identity {
    fn from(process: InitProcess) -> Self {
        Self {
            pid: process.pid,
            start_ticks: process.start_ticks,
        }
    }
}

impl From<Identity> for InitProcess {
    fn from(identity: Identity) -> Self {
        Self {
            pid: identity.pid,
            start_ticks: identity.start_ticks,
        }
    }
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What was being done, such as `mount` or `exec`; empty when there is but one step.
    #[serde(default)]
    pub step: String,
    /// For people.
    pub message: String,
    /// The exit code this stands for: 126, 127 or 128; `None` where no process was to begin.
    #[serde(default)]
    pub code: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number; 0 for a `Hello`.
    pub seq: u64,
    /// `None` when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Answers [`Command::State`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<State>>,
    /// Answers [`crate::Hello::Exec`]: the process that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Identity>,
}

impl Reply {
    pub fn ok(seq: u64) -> Self {
        Self {
            seq,
            error: None,
            state: None,
            process: None,
        }
    }

    pub fn refuse(seq: u64, problem: Problem) -> Self {
        Self {
            error: Some(problem),
            ..Self::ok(seq)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub id: String,
    pub run: u64,
    pub process: Identity,
    pub init: InitState,
    /// All that run, and the last that ended.
    #[serde(default)]
    pub execs: Vec<ExecState>,
    /// Records the log could not take since this shim began.
    #[serde(default)]
    pub dropped_records: u64,
    /// Whether processes of the container were killed for want of memory.
    #[serde(default)]
    pub oom_kills: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitState {
    Created,
    Running {
        started_at_ns: i64,
    },
    /// Ended but not recorded yet: leftovers are killed, pipes read to their end.
    Ending,
    /// As in `exit.json`.
    Exited(crate::ExitRecord),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecState {
    pub exec_id: String,
    pub process: Identity,
    /// `None` while it runs.
    #[serde(default)]
    pub exit: Option<ExitStatus>,
    #[serde(default)]
    pub exited_at_ns: Option<i64>,
    /// As [`crate::Exec::kept`] had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Init has ended and `exit.json` is on disk.
    Exited(crate::ExitRecord),
    ExecExited {
        exec_id: String,
        #[serde(flatten)]
        status: ExitStatus,
        at_ns: i64,
    },
    /// A process of the container was killed for want of memory; init may live on.
    Oom,
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExitRecord, decode, encode};

    fn survives(message: &FromShim) {
        let bytes = encode(message).unwrap();
        assert_eq!(&decode::<FromShim>(&bytes[4..]).unwrap(), message);
    }

    #[test]
    fn every_message_reads_back_as_itself() {
        let identity = Identity {
            pid: 7,
            start_ticks: u64::MAX,
        };
        let record = ExitRecord {
            run: 3,
            status: ExitStatus::Signal(9),
            started_at_ns: Some(i64::MAX),
            at_ns: 5,
            oom_killed: true,
            failure: None,
        };
        survives(&FromShim::Created(identity));
        survives(&FromShim::Failed(Problem {
            step: "mount".into(),
            message: "cannot".into(),
            code: Some(127),
        }));
        survives(&FromShim::Event(Event::Exited(record.clone())));
        survives(&FromShim::Event(Event::Oom));
        survives(&FromShim::Event(Event::ExecExited {
            exec_id: "e".into(),
            status: ExitStatus::Code(3),
            at_ns: 1,
        }));
        for init in [
            InitState::Created,
            InitState::Running { started_at_ns: 4 },
            InitState::Ending,
            InitState::Exited(record),
        ] {
            survives(&FromShim::Reply(Reply {
                state: Some(Box::new(State {
                    id: "c".into(),
                    run: 3,
                    process: identity,
                    init,
                    execs: vec![ExecState {
                        exec_id: "e".into(),
                        process: identity,
                        exit: Some(ExitStatus::Code(1)),
                        exited_at_ns: Some(2),
                        kept: Some(serde_json::json!(["c"])),
                    }],
                    dropped_records: 1,
                    oom_kills: 0,
                })),
                ..Reply::ok(1)
            }));
        }
    }

    #[test]
    fn every_command_reads_back_as_itself() {
        for command in [
            Command::Start,
            Command::Signal {
                target: Target::Exec("e".into()),
                signal: 15,
            },
            Command::Resize {
                target: Target::Init,
                rows: 1,
                cols: 2,
            },
            Command::CloseStdin { target: Target::Init },
            Command::State,
            Command::Release,
        ] {
            let request = Request { seq: 1, command };
            let bytes = encode(&request).unwrap();
            assert_eq!(decode::<Request>(&bytes[4..]).unwrap(), request);
        }
    }

    #[test]
    fn what_a_newer_shim_says_is_no_error() {
        let message: FromShim = decode(br#"{"v":1,"is":"event","event":"frozen","by":"someone"}"#).unwrap();
        assert_eq!(message, FromShim::Event(Event::Unknown));
        let message: FromShim = decode(br#"{"v":1,"is":"weather"}"#).unwrap();
        assert_eq!(message, FromShim::Unknown);
    }
}
