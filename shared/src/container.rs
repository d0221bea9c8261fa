//! Containers, as the API returns them.

use crate::create::{Device, HealthCheck, LogOptions, Mount, NetworkMode, Restart, Rlimit, UserNamespace};
use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A container, as in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// Image reference in short form: `nginx:1.27`.
    pub image: String,
    /// Digest of the image's config: `sha256:…`.
    pub image_id: String,
    /// Entrypoint and arguments as one line.
    pub command: String,
    pub created: String,
    pub state: State,
    pub ports: Vec<Port>,
    /// IP address on the default network, while it has one.
    #[serde(default)]
    pub address: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub restart_count: u32,
    /// Memory limit in bytes.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// CPU limit in billionths of a CPU.
    #[serde(default)]
    pub nano_cpus: Option<u64>,
}

/// State of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct State {
    pub status: Status,
    /// When the container entered this state.
    pub since: String,
    #[serde(default)]
    pub pid: Option<i32>,
    #[serde(default)]
    pub exit_code: Option<i32>,
    #[serde(default)]
    pub signal: Option<String>,
    #[serde(default)]
    pub oom_killed: bool,
    /// Why the start failed, or why the exit status is unknown.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the last, finished run started.
    #[serde(default)]
    pub started: Option<String>,
    /// What requested the end of the last run; absent if the container exited by itself. A
    /// container that was stopped on request is not counted as failed, whatever its exit code is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// A restart is scheduled.
    #[serde(default)]
    pub restarting: bool,
    #[serde(default)]
    pub health: Option<Health>,
}

/// What requested the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoppedBy {
    pub kind: StoppedByKind,
    /// Name of the user; only for the kind `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StoppedByKind {
    User,
    /// A client of the Docker socket, which does not authenticate users.
    DockerClient,
    /// The server, at its shutdown.
    Server,
    /// Not recorded.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Created,
    Running,
    Paused,
    Exited,
    /// The start failed before the command ran.
    Failed,
    /// The exit status is unknown.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// An action on many containers, run as a task. Requires exactly one of `ids` and `filter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    pub action: BulkAction,
    /// Ids, names or unique prefixes of ids; at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<BulkFilter>,
    /// `stop` and `restart` only: seconds until SIGKILL; −1 waits without a limit. Default: each
    /// container's stop timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// `stop`, `restart` and `kill` only: the signal to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// `remove` only: kills running containers first.
    #[serde(default)]
    pub force: bool,
    /// `remove` only: also removes anonymous volumes.
    #[serde(default)]
    pub volumes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    Start,
    Stop,
    Restart,
    Kill,
    Pause,
    Unpause,
    Remove,
}

/// Selects containers that match all given fields; `{}` matches all containers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BulkFilter {
    /// Matches any of these; an empty list matches all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Substring of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels and their values; `null` matches any value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Port {
    /// Host address; `null` means all addresses.
    #[serde(default)]
    pub host_address: Option<String>,
    /// Host port; 0 until a free port is allocated at the start.
    pub host_port: u16,
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A container with its specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerDetails))]
pub struct Details {
    #[serde(flatten)]
    pub container: Container,
    #[serde(flatten)]
    pub spec: Spec,
}

/// An environment variable of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Variable {
    pub name: String,
    /// Absent if hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Specification of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerSpec))]
pub struct Spec {
    /// Number of starts.
    pub run: u64,
    pub entrypoint: Vec<String>,
    pub arguments: Vec<String>,
    /// Environment variables without values; `GET /containers/{id}/environment` returns the values.
    pub env: Vec<Variable>,
    pub working_dir: String,
    pub user: String,
    pub hostname: String,
    pub terminal: bool,
    pub stdin_open: bool,
    pub init: bool,
    /// The command is the init of a system.
    #[serde(default)]
    pub system: bool,
    pub network: NetworkMode,
    #[serde(default)]
    pub gateway: Option<String>,
    #[serde(default)]
    pub mac: Option<String>,
    pub dns: Vec<String>,
    pub extra_hosts: Vec<String>,
    pub mounts: Vec<Mount>,
    pub limits: Limits,
    pub restart: Restart,
    pub auto_remove: bool,
    pub stop_signal: String,
    /// Seconds; `null` waits without a limit.
    pub stop_timeout: Option<u64>,
    pub read_only_root: bool,
    pub privileged: bool,
    /// As requested.
    #[serde(default)]
    pub user_namespace: UserNamespace,
    /// Mapping of its ids to host ids; `null` if they are the host's.
    #[serde(default)]
    pub host_ids: Option<HostIds>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub no_new_privileges: bool,
    /// `default`, `unconfined` or `profile`.
    pub seccomp: String,
    pub rlimits: Vec<Rlimit>,
    pub sysctls: BTreeMap<String, String>,
    pub devices: Vec<Device>,
    #[serde(default)]
    pub health: Option<HealthCheck>,
    pub log: LogOptions,
}

/// The host ids that a container uses: its id 0 maps to the first one, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HostIds {
    pub first_user: u32,
    pub first_group: u32,
    /// Number of user ids, and of group ids.
    pub count: u32,
    /// Other containers use the same range.
    pub shared: bool,
}

/// Changes that do not require a new container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerUpdate))]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// Exit status of a container, with codes as in a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ended {
    /// Exit code of the command; 128 plus the signal number; 126 to 128 if the command was never
    /// run; 255 if unknown.
    pub exit_code: i32,
    pub oom_killed: bool,
    #[serde(default)]
    pub error: Option<String>,
    pub at: String,
}

/// Health check results of the current or last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HealthReport {
    pub status: Health,
    /// Number of consecutive failures, excluding those in the start period.
    pub failing_streak: u32,
    /// The latest five results, oldest first.
    pub probes: Vec<ProbeResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProbeResult {
    pub started: String,
    pub ended: String,
    /// Exit code; −1 if the probe timed out or could not run.
    pub exit_code: i32,
    /// The first 4,096 bytes of the output.
    pub output: String,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Process {
    /// PID on the host.
    pub pid: i32,
    /// PID in the container.
    pub container_pid: i32,
    /// PID of the parent on the host.
    pub parent: i32,
    pub user: String,
    /// Process state: one letter, as in proc(5).
    pub state: String,
    pub threads: u32,
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    pub started: String,
    pub command: String,
}
