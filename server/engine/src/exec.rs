//! Execs: further processes in a running container.

use model::Timestamp;
use model::container::{ContainerId, ExitStatus};
use std::fmt;

/// 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecId(pub(crate) String);

impl ExecId {
    /// `None` unless it is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        ContainerId::parse(text).ok().map(|id| Self(id.as_str().to_owned()))
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub id: ExecId,
    pub container: ContainerId,
    pub spec: ExecSpec,
    pub state: ExecState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecState {
    Created,
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
    },
}
