//! Instructions, read and not yet carried out: variables stand as they were written.

mod flags;
mod health;
mod mount;
mod parse;
mod words;

pub(crate) use mount::from_of;
pub use mount::{Mount, MountKind, Owner, Sharing};
pub(crate) use parse::{parse, read_trigger};
pub use words::PORTS_HINT;

use crate::source::Heredoc;
use model::container::health::HealthCheck;

/// What is wrong, said without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said(pub(crate) String);

/// An instruction with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub first_line: u32,
    pub last_line: u32,
    /// `COPY`; of a trigger, what it does.
    pub keyword: &'static str,
    /// On one line, as people recognise it.
    pub text: String,
    pub instruction: Instruction,
}

/// Dockerfile reference, each under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    From(From),
    Arg(Vec<Argument>),
    Run(Run),
    Cmd(Command),
    Entrypoint(Command),
    Copy(Copy),
    Add(Add),
    /// Name and value.
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    /// Ports and ranges of them.
    Expose(String),
    Healthcheck(HealthCheck),
    Maintainer(String),
    /// What is done first when something is built on the image.
    OnBuild(String),
    Shell(Vec<String>),
    StopSignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// An image, an earlier stage, or `scratch`.
    pub base: String,
    pub platform: Option<String>,
    pub name: Option<String>,
}

/// `NAME` or `NAME=default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub default: Option<String>,
}

/// A line for the shell, or a list of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Shell(String),
    Exec(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: Command,
    pub heredocs: Vec<Heredoc>,
    /// As written: [`Mount::parse`] reads them once variables are known.
    pub mounts: Vec<String>,
    pub network: RunNetwork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunNetwork {
    #[default]
    Default,
    None,
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub sources: Vec<String>,
    /// Copied after the sources, each as a file of its name.
    pub heredocs: Vec<Heredoc>,
    pub destination: String,
    /// A stage or an image; `None` is the context.
    pub from: Option<String>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    /// The layer depends on nothing below it.
    pub link: bool,
    /// The sources' directories are kept.
    pub parents: bool,
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    pub copy: Copy,
    /// `sha256:…`, of what is downloaded.
    pub checksum: Option<String>,
    pub keep_git_dir: bool,
    /// `None` unpacks archives of the context and not those of addresses.
    pub unpack: Option<bool>,
}
