//! Who asked for the end of a run.

/// Who asked for the end of a run. A run that ended by itself has none: only that one
/// can have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoppedBy {
    /// A user of the native API, by name.
    User(String),
    /// A client of the Docker socket, which has no users.
    DockerClient,
    /// The server, which stops its containers when it is told to at its own end.
    Server,
    /// A database of an earlier version, which did not record it.
    Unknown,
}

impl StoppedBy {
    /// For events and people: the user's name, or what it was.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) => name,
            Self::DockerClient => "a Docker client",
            Self::Server => "the server",
            Self::Unknown => "someone",
        }
    }
}
