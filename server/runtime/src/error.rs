//! What can go wrong, and which exit code it stands for.

use std::io;

/// The command's program is not there.
pub(crate) const NOT_FOUND: i32 = 127;
/// It is there and cannot be run.
pub(crate) const NOT_EXECUTABLE: i32 = 126;
/// Something else kept the container from starting.
pub(crate) const NOT_STARTED: i32 = 128;

/// A failure inside the new process, as it told it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What was being done: `mount`, `user`, `exec` and so on.
    pub step: String,
    /// For people: what was tried, on what, why it failed.
    pub message: String,
    /// 126, 127 or 128.
    pub code: i32,
}

const HOOK: &str = "hook";

impl Failure {
    pub(crate) fn of_hook(error: &crate::hooks::HookError) -> Self {
        Self::new(HOOK, error.to_string())
    }

    pub(crate) fn new(step: &str, message: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            message: message.into(),
            code: NOT_STARTED,
        }
    }

    /// As it is sent to another process: code, step and message.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self { step, message, code } = self;
        format!("{code}\0{step}\0{message}").into_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut parts = text.splitn(3, '\0');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (code, step, message) = (part(), part(), part());
        Self {
            step,
            message,
            code: code.parse().unwrap_or(NOT_STARTED),
        }
    }

    pub(crate) fn io(step: &str, what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let message = what.to_string();
        move |error| Self::new(step, format!("{message}: {error}"))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("the bundle is not complete: {0}")]
    Bundle(String),
    #[error("{0}")]
    Cgroup(#[from] cgroup::CgroupError),
    #[error("cannot {deed}: {source}")]
    System { deed: &'static str, source: io::Error },
    /// Init failed while it set the container up.
    #[error("{0}")]
    Init(Failure),
    #[error("cannot move the network device `{name}` into the container as `{new_name}`: {source}")]
    NetDevice {
        name: String,
        new_name: String,
        source: io::Error,
    },
    #[error(transparent)]
    Resctrl(#[from] crate::resctrl::ResctrlError),
    #[error("{0}")]
    Hook(#[from] crate::hooks::HookError),
    #[error("init ended while it set the container up")]
    Vanished,
}

impl CreateError {
    pub(crate) fn system(deed: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { deed, source }
    }

    pub fn code(&self) -> i32 {
        match self {
            Self::Init(failure) => failure.code,
            _ => NOT_STARTED,
        }
    }

    /// Whether a hook failed: the container's `poststop` hooks are to be run then.
    pub fn is_of_hook(&self) -> bool {
        match self {
            Self::Init(failure) => failure.step == HOOK,
            Self::Hook(_) => true,
            _ => false,
        }
    }
}

/// The command did not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    pub step: String,
    pub errno: Option<i32>,
    /// 126, 127 or 128.
    pub code: i32,
    pub message: String,
}

impl StartError {
    /// Whether a `startContainer` hook failed.
    pub fn is_of_hook(&self) -> bool {
        self.step == HOOK
    }
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        Self {
            step: failure.step,
            errno: None,
            code: failure.code,
            message: failure.message,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("{0}")]
    Cgroup(#[from] cgroup::CgroupError),
    #[error("cannot {deed}: {source}")]
    System { deed: &'static str, source: io::Error },
    #[error(transparent)]
    Resctrl(#[from] crate::resctrl::ResctrlError),
    #[error("the container has ended")]
    Ended,
    #[error("{0}")]
    Process(Failure),
}

impl ExecError {
    pub(crate) fn system(deed: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { deed, source }
    }

    /// The exit code this stands for: 126, 127 or 128.
    pub fn code(&self) -> i32 {
        match self {
            Self::Process(failure) => failure.code,
            _ => NOT_STARTED,
        }
    }
}
