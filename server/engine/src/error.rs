use model::container::Refusal;
use std::error::Error;
use std::io;
use std::path::Path;

/// Why the engine did not do what it was asked. [`EngineError::kind`] sorts the
/// reasons, so that each front door translates a handful instead of all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("there is no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("`{prefix}` begins the id of more than one {what}: {}; give more digits", candidates.join(", "))]
    Ambiguous {
        what: &'static str,
        prefix: String,
        candidates: Vec<String>,
    },
    #[error("image `{0}` is not on this host; pull it first")]
    ImageMissing(String),
    #[error("{what} `{name}` is taken; choose another or remove its holder first")]
    Taken { what: &'static str, name: String },
    #[error("container `{name}` {refusal}")]
    Refused { name: String, refusal: Refusal },
    #[error("{what} `{name}` is used by {}; remove those first", by.join(", "))]
    InUse {
        what: &'static str,
        name: String,
        by: Vec<String>,
    },
    #[error("{0}")]
    Conflict(String),
    #[error("{}", show_mistakes(.0))]
    Invalid(Vec<Mistake>),
    /// The command never ran. `code` is 126, 127 or 128, as a shell would tell it.
    #[error("container `{name}` did not start: {reason}")]
    StartFailed { name: String, code: i32, reason: String },
    /// As above, of an exec.
    #[error("cannot run the command: {reason}")]
    /// `step` is what was being done: `exec`, `cwd`, `user`.
    ExecFailed { code: i32, step: String, reason: String },
    /// The registry, or the archive, did not give the image.
    #[error("cannot get image `{reference}`: {reason}")]
    Image {
        reference: String,
        kind: Kind,
        reason: String,
    },
    /// A build that did not become an image. `code` is the exit code of the command it
    /// ended with.
    #[error("{reason}")]
    Build {
        kind: Kind,
        reason: String,
        code: Option<i32>,
    },
    /// An action on many containers that did not succeed with each of them.
    #[error("{failed} of {count} containers: `{action}` failed")]
    Bulk {
        action: &'static str,
        failed: usize,
        count: usize,
    },
    #[error("{0} was cancelled")]
    Cancelled(String),
    #[error("{what} took longer than {limit_s} s")]
    TimedOut { what: String, limit_s: u64 },
    #[error("the server is ending")]
    Ending,
    /// The host, the disk or the database refused. `doing` says what was tried, on what.
    #[error("cannot {doing}: {}", show_causes(source.as_ref()))]
    Host {
        doing: String,
        source: Box<dyn Error + Send + Sync>,
    },
}

/// One mistake in a request, with the field it is in: `limits.memory`, `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub field: &'static str,
    pub message: String,
}

/// What kind of answer an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    NotFound,
    /// The request cannot be right, whatever the state.
    Invalid,
    /// Right, but not in this state.
    Conflict,
    /// The registry wants other credentials.
    Unauthorized,
    /// What we depend on (a registry) does not answer.
    Unreachable,
    Cancelled,
    TimedOut,
    /// The server is ending.
    Unavailable,
    /// Asked for rightly, and still failed on this host.
    Failed,
}

impl EngineError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::ImageMissing(_) => Kind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid(_) => Kind::Invalid,
            Self::Taken { .. } | Self::Refused { .. } | Self::InUse { .. } | Self::Conflict(_) | Self::Bulk { .. } => {
                Kind::Conflict
            }
            Self::Image { kind, .. } | Self::Build { kind, .. } => *kind,
            Self::Cancelled(_) => Kind::Cancelled,
            Self::TimedOut { .. } => Kind::TimedOut,
            Self::Ending => Kind::Unavailable,
            Self::StartFailed { .. } | Self::ExecFailed { .. } => Kind::Invalid,
            Self::Host { .. } => Kind::Failed,
        }
    }

    /// A stable word for programs: `name_taken` stays when the sentence is reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::ImageMissing(_) => "image_missing",
            Self::Taken { .. } => "name_taken",
            Self::Refused { refusal, .. } => match refusal {
                Refusal::Paused => "container_paused",
                Refusal::NotRunning => "container_not_running",
                Refusal::Running => "container_running",
                Refusal::NotPaused => "container_not_paused",
            },
            Self::InUse { .. } => "in_use",
            Self::Conflict(_) => "conflict",
            Self::Invalid(_) => "invalid",
            Self::StartFailed { .. } => "start_failed",
            Self::ExecFailed { .. } => "exec_failed",
            Self::Image { .. } => "image_failed",
            Self::Build { .. } => "build_failed",
            Self::Bulk { .. } => "bulk_failed",
            Self::Cancelled(_) => "cancelled",
            Self::TimedOut { .. } => "timed_out",
            Self::Ending => "ending",
            Self::Host { .. } => "failed",
        }
    }

    /// Every mistake found in the request; empty for other errors.
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Invalid(mistakes) => mistakes,
            _ => &[],
        }
    }

    /// Names the file where the database turned out to be damaged.
    pub(crate) fn of_database(self, path: &Path) -> Self {
        let Self::Host { doing, source } = self else {
            return self;
        };
        match source.downcast::<store::StoreError>() {
            Ok(error) => Self::Host {
                doing,
                source: Box::new(error.of_file(path)),
            },
            Err(source) => Self::Host { doing, source },
        }
    }

    /// There is no room on the disk.
    pub(crate) fn is_disk_full(&self) -> bool {
        let Self::Host { source, .. } = self else {
            return false;
        };
        source
            .downcast_ref::<store::StoreError>()
            .is_some_and(store::StoreError::is_full)
            || source
                .downcast_ref::<io::Error>()
                .is_some_and(|error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    pub(crate) fn no_container(name: &str) -> Self {
        Self::NotFound {
            what: "container",
            name: name.to_owned(),
        }
    }

    pub(crate) fn invalid(field: &'static str, message: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![Mistake {
            field,
            message: message.to_string(),
        }])
    }
}

/// Adds what was being done to an error of the host.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EngineError>;
}

impl<T, E: Error + Send + Sync + 'static> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Host {
            doing: what(),
            source: Box::new(source),
        })
    }
}

impl From<store::StoreError> for EngineError {
    fn from(error: store::StoreError) -> Self {
        match error {
            store::StoreError::Taken { what, value } => Self::Taken { what, name: value },
            other => Self::Host {
                doing: "use the database".to_owned(),
                source: Box::new(other),
            },
        }
    }
}

fn show_mistakes(mistakes: &[Mistake]) -> String {
    let mut text = String::new();
    for (place, mistake) in mistakes.iter().enumerate() {
        if place > 0 {
            text.push_str("; ");
        }
        text.push_str(mistake.field);
        text.push_str(": ");
        text.push_str(&mistake.message);
    }
    text
}

/// An error and what caused it, in one line. A cause its parent already quotes is left out.
pub(crate) fn show_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
