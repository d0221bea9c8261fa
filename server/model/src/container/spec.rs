//! What is wanted of a container, complete: image defaults and request merged.

use super::health::HealthCheck;
use super::ids::UserNamespace;
use super::{ContainerName, Limits, RestartPolicy};
use crate::Signal;
use crate::image::{Digest, Reference};
use crate::mount::Mount;
use crate::network::{NetworkMode, PortMapping};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub name: ContainerName,
    pub image: ImageChoice,
    pub process: Process,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub labels: Vec<(String, String)>,
    pub network: Network,
    pub mounts: Vec<Mount>,
    pub limits: Limits,
    pub security: Security,
    pub restart: RestartPolicy,
    /// Removed when it ends.
    pub auto_remove: bool,
    pub stop_signal: Option<Signal>,
    /// `None` is ten seconds.
    pub stop_timeout: Option<StopTimeout>,
    /// A small init that reaps orphans runs as PID 1 in front of the command.
    pub init: bool,
    /// Its command is the init of a whole system: [`crate::container::system`].
    pub system: bool,
    pub read_only_root: bool,
    pub shm_bytes: Option<u64>,
    pub rlimits: Vec<Rlimit>,
    /// Kernel settings of the container's own namespaces.
    pub sysctls: Vec<(String, String)>,
    pub devices: Vec<Device>,
    pub oom_score_adj: Option<i32>,
    pub health: Option<HealthCheck>,
    pub log: LogOptions,
    /// Handed to the runtime and to hooks: OCI runtime-spec, config.md, "Annotations".
    pub annotations: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChoice {
    /// As it was asked for; shown to people.
    pub reference: Reference,
    /// What it meant at creation: the digest of the image's config.
    pub id: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    /// `NAME=value`, in order; a later one wins.
    pub env: Vec<String>,
    /// Absolute; `/` when neither image nor request names one.
    pub working_dir: String,
    /// `user`, `uid`, `user:group` and so on, resolved in the container's files at start.
    pub user: String,
    pub groups: Vec<String>,
    pub terminal: bool,
    pub stdin_open: bool,
    /// The first client to leave closes the standard input.
    pub stdin_once: bool,
    /// Of the terminal, when it starts; `None` is 24 rows of 80 columns.
    pub console_size: Option<ConsoleSize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleSize {
    pub rows: u16,
    pub columns: u16,
}

impl Process {
    /// The complete argument list: entrypoint, then command.
    pub fn arguments(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.command).cloned().collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub mode: NetworkMode,
    pub ports: Vec<PortMapping>,
    /// Ports the image or the request names without publishing them: `80/tcp`.
    pub exposed: Vec<String>,
    pub publish_all: bool,
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// `name:address`.
    pub extra_hosts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    pub privileged: bool,
    /// Names without `CAP_`, upper case; `ALL` too.
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
    pub uts: NamespaceMode,
    pub cgroup: NamespaceMode,
    pub users: UserNamespace,
    /// `None` takes the default list; an empty one masks nothing.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seccomp {
    #[default]
    Default,
    Unconfined,
    /// A profile in the common engine format, as JSON text.
    Profile(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamespaceMode {
    #[default]
    Private,
    Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopTimeout {
    Never,
    After(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rlimit {
    /// As `RLIMIT_NOFILE`, without the prefix and in lower case: `nofile`.
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub host_path: String,
    pub container_path: String,
    /// Some of `r`, `w`, `m`.
    pub access: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    pub mode: LogMode,
    /// A segment is closed and a new one begun at this size.
    pub segment_bytes: u64,
    /// The oldest segments go when there are more than this.
    pub segments: u32,
    /// Segments that are closed are compressed.
    pub compress: bool,
    /// As Docker's API was given it; `None` where the log was asked for otherwise.
    pub driver: Option<LogDriver>,
}

/// A log driver's name and its options, as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDriver {
    pub name: String,
    pub options: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogMode {
    /// Nothing is kept; who is attached still sees everything.
    Off,
    /// The container waits for a slow disk.
    Blocking,
    /// Lines that a buffer of this many bytes cannot hold are dropped, counted and marked.
    NonBlocking { buffer_bytes: u64 },
}

impl Default for LogOptions {
    /// Half a gigabyte in all; a container that says nothing keeps what it wrote.
    fn default() -> Self {
        Self {
            mode: LogMode::Blocking,
            segment_bytes: 32 << 20,
            segments: 16,
            compress: false,
            driver: None,
        }
    }
}
