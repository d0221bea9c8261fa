//! What happened, in the order it happened.

use crate::Timestamp;

/// A change that readers may want to know of. `seq` only grows; readers resume by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub seq: u64,
    pub time: Timestamp,
    pub subject: Subject,
    pub action: Action,
    /// Facts at that moment, by name: `name`, `image`, `exit_code`, `signal`, `exec_id` …
    pub attributes: Vec<(String, String)>,
    /// The subject's labels at that moment.
    pub labels: Vec<(String, String)>,
}

/// What an event is about, by its id or name; empty where all of a kind are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Container(String),
    Image(String),
    Network(String),
    Volume(String),
    /// The build cache.
    Builder(String),
}

/// Each word is what both APIs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    Start,
    Attach,
    Detach,
    ExecCreate,
    ExecStart,
    ExecDie,
    Resize,
    Kill,
    OutOfMemory,
    Stop,
    Die,
    Restart,
    Pause,
    Unpause,
    Rename,
    Update,
    Destroy,
    Pull,
    Load,
    Import,
    Commit,
    Push,
    Build,
    Tag,
    Untag,
    Delete,
    Connect,
    Disconnect,
    Mount,
    Unmount,
    HealthStatus,
    Prune,
    /// A user asked for the values of a container's environment variables.
    RevealEnvironment,
}

impl Action {
    pub const ALL: [Self; 34] = [
        Self::Create,
        Self::Start,
        Self::Attach,
        Self::Detach,
        Self::ExecCreate,
        Self::ExecStart,
        Self::ExecDie,
        Self::Resize,
        Self::Kill,
        Self::OutOfMemory,
        Self::Stop,
        Self::Die,
        Self::Restart,
        Self::Pause,
        Self::Unpause,
        Self::Rename,
        Self::Update,
        Self::Destroy,
        Self::Pull,
        Self::Load,
        Self::Import,
        Self::Commit,
        Self::Push,
        Self::Build,
        Self::Tag,
        Self::Untag,
        Self::Delete,
        Self::Connect,
        Self::Disconnect,
        Self::Mount,
        Self::Unmount,
        Self::HealthStatus,
        Self::Prune,
        Self::RevealEnvironment,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::ExecCreate => "exec_create",
            Self::ExecStart => "exec_start",
            Self::ExecDie => "exec_die",
            Self::Resize => "resize",
            Self::Kill => "kill",
            Self::OutOfMemory => "oom",
            Self::Stop => "stop",
            Self::Die => "die",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Rename => "rename",
            Self::Update => "update",
            Self::Destroy => "destroy",
            Self::Pull => "pull",
            Self::Load => "load",
            Self::Import => "import",
            Self::Commit => "commit",
            Self::Push => "push",
            Self::Build => "build",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Delete => "delete",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::HealthStatus => "health_status",
            Self::Prune => "prune",
            Self::RevealEnvironment => "reveal_environment",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}
