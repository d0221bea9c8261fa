//! Long work that belongs to the server, not to the page that began it.

use crate::Kind;
use model::Timestamp;
use model::image::Digest;
use std::fmt;

/// A UUID, version 7: sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(crate) String);

impl TaskId {
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task as it is at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub kind: TaskKind,
    /// What it is about: `busybox:latest`.
    pub subject: String,
    /// Who began it, as the front door names them.
    pub owner: Option<String>,
    pub state: TaskState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    Pull,
    Load,
    Import,
}

impl TaskKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Load => "load",
            Self::Import => "import",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    Running,
    Done { images: Vec<LoadedImage> },
    Failed { kind: Kind, reason: String },
    Cancelled,
}

impl TaskState {
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Running)
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An image that a task brought to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    pub id: Digest,
    pub manifest: Digest,
    /// The names it got.
    pub references: Vec<model::image::Reference>,
    /// Whether it was here, whole, before.
    pub was_here: bool,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// `resolving`, `downloading`, `extracting`, `done`: shown as it is.
    pub phase: &'static str,
    pub layers: Vec<LayerProgress>,
    pub bytes_done: u64,
    /// 0 while not known.
    pub bytes_total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProgress {
    pub digest: Digest,
    pub state: LayerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    Downloading {
        done: u64,
        total: u64,
    },
    Verifying,
    Extracting {
        done: u64,
        total: u64,
    },
    Done,
    /// Was on this host before.
    AlreadyHere,
}
