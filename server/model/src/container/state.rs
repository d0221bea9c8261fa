//! What a container is doing, and what may be asked of it meanwhile.

use super::ExitStatus;
use crate::Timestamp;

/// A process by pid and start time, since a bare pid comes to mean another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitProcess {
    pub pid: i32,
    /// Clock ticks after boot: field 22 of /proc/PID/stat, proc(5).
    pub start_ticks: u64,
}

/// What a container is doing. The statuses of the OCI runtime spec
/// (runtime.md, "State"), plus `Paused`, plus `Lost` for honesty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Created,
    Running {
        init: InitProcess,
        since: Timestamp,
    },
    Paused {
        init: InitProcess,
        since: Timestamp,
    },
    Exited {
        status: ExitStatus,
        started: Timestamp,
        at: Timestamp,
        oom_killed: bool,
    },
    /// The start failed before the command ran: `code` is 126, 127 or 128.
    Failed {
        code: i32,
        reason: String,
        at: Timestamp,
    },
    /// No exit record was left: nobody knows how it ended.
    Lost {
        at: Timestamp,
        why: Loss,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    HostRestarted,
    ShimKilled,
}

/// The answer to "may this happen now?", given before anything happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Go,
    AlreadySo,
    Refuse(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is paused; unpause it first")]
    Paused,
    #[error("is not running")]
    NotRunning,
    #[error("is running; stop it first or remove it by force")]
    Running,
    #[error("is not paused")]
    NotPaused,
}

impl Verdict {
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refuse(_))
    }
}

impl State {
    /// Starting what already runs is not an error: the caller has what it wants.
    pub fn on_start(&self) -> Verdict {
        match self {
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => Verdict::Go,
            Self::Running { .. } => Verdict::AlreadySo,
            Self::Paused { .. } => Verdict::Refuse(Refusal::Paused),
        }
    }

    pub fn on_stop(&self) -> Verdict {
        match self {
            Self::Running { .. } | Self::Paused { .. } => Verdict::Go,
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => Verdict::AlreadySo,
        }
    }

    pub fn on_kill(&self) -> Verdict {
        match self {
            Self::Running { .. } | Self::Paused { .. } => Verdict::Go,
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => {
                Verdict::Refuse(Refusal::NotRunning)
            }
        }
    }

    pub fn on_pause(&self) -> Verdict {
        match self {
            Self::Running { .. } => Verdict::Go,
            Self::Paused { .. } => Verdict::AlreadySo,
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => {
                Verdict::Refuse(Refusal::NotRunning)
            }
        }
    }

    pub fn on_unpause(&self) -> Verdict {
        match self {
            Self::Paused { .. } => Verdict::Go,
            Self::Running { .. } | Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => {
                Verdict::Refuse(Refusal::NotPaused)
            }
        }
    }

    pub fn on_exec(&self) -> Verdict {
        match self {
            Self::Running { .. } => Verdict::Go,
            Self::Paused { .. } => Verdict::Refuse(Refusal::Paused),
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => {
                Verdict::Refuse(Refusal::NotRunning)
            }
        }
    }

    /// `force` kills first, so it is never refused.
    pub fn on_remove(&self, force: bool) -> Verdict {
        match self {
            Self::Running { .. } | Self::Paused { .. } if !force => Verdict::Refuse(Refusal::Running),
            Self::Running { .. } | Self::Paused { .. } => Verdict::Go,
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => Verdict::Go,
        }
    }

    /// The process to signal and measure, when there is one.
    pub fn init(&self) -> Option<InitProcess> {
        match self {
            Self::Running { init, .. } | Self::Paused { init, .. } => Some(*init),
            Self::Created | Self::Exited { .. } | Self::Failed { .. } | Self::Lost { .. } => None,
        }
    }

    /// `created`, `running`, `paused`, `exited`, `failed` or `lost`: the word both
    /// APIs, the database and the panel use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Exited { .. } => "exited",
            Self::Failed { .. } => "failed",
            Self::Lost { .. } => "lost",
        }
    }
}
