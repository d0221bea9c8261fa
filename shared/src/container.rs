//! Containers, as they are shown.

use crate::create::{Device, HealthCheck, LogOptions, Mount, NetworkMode, Restart, Rlimit, UserNamespace};
use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// The reference in short form: `nginx:1.27`.
    pub image: String,
    /// `sha256:…` of the image's config.
    pub image_id: String,
    /// The argument list as one line.
    pub command: String,
    pub created: String,
    pub state: State,
    pub ports: Vec<Port>,
    /// Address on the default network, while it has one.
    #[serde(default)]
    pub address: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub restart_count: u32,
    /// The memory limit in bytes, for the bar in lists.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// The CPU limit in billionths of a processor.
    #[serde(default)]
    pub nano_cpus: Option<u64>,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct State {
    pub status: Status,
    /// When it came to be so.
    pub since: String,
    #[serde(default)]
    pub pid: Option<i32>,
    #[serde(default)]
    pub exit_code: Option<i32>,
    #[serde(default)]
    pub signal: Option<String>,
    #[serde(default)]
    pub oom_killed: bool,
    /// Why a start failed, or why nobody knows how it ended.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the run that ended had begun.
    #[serde(default)]
    pub started: Option<String>,
    /// Who asked for the end of the last run; absent where it ended by itself. What
    /// somebody stopped has not failed, whatever its exit code is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// A restart waits for its moment.
    #[serde(default)]
    pub restarting: bool,
    #[serde(default)]
    pub health: Option<Health>,
}

/// Who asked for the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoppedBy {
    pub kind: StoppedByKind,
    /// Of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StoppedByKind {
    User,
    /// A client of the Docker socket, which has no users.
    DockerClient,
    /// The server, at its own end.
    Server,
    /// It was not recorded.
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
    /// Nobody knows how it ended.
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

/// An action on many containers, as a task. Either `ids` or `filter` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    pub action: BulkAction,
    /// Ids, names or the beginnings of ids; at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<BulkFilter>,
    /// Of `stop` and `restart`: seconds until a container is killed; its own unless given, and
    /// −1 without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Of `stop`, `restart` and `kill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Of `remove`: kills first.
    #[serde(default)]
    pub force: bool,
    /// Of `remove`: their volumes without a name go too.
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

/// Containers that fit every field that is given; `{}` fits all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BulkFilter {
    /// None given fits any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Part of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `null` for a label that only has to be there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
}

/// A port of the host that leads into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Port {
    /// `null` is every address of the host.
    #[serde(default)]
    pub host_address: Option<String>,
    /// 0 until a free one was chosen at a start.
    pub host_port: u16,
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// Everything about one container.
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
    /// `None` where it is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What a container was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerSpec))]
pub struct Spec {
    /// How many times it was started.
    pub run: u64,
    pub entrypoint: Vec<String>,
    pub arguments: Vec<String>,
    /// Without values: `GET /containers/{id}/environment` has them.
    pub env: Vec<Variable>,
    pub working_dir: String,
    pub user: String,
    pub hostname: String,
    pub terminal: bool,
    pub stdin_open: bool,
    pub init: bool,
    /// Its command is the init of a whole system.
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
    /// Seconds; `null` waits without end.
    pub stop_timeout: Option<u64>,
    pub read_only_root: bool,
    pub privileged: bool,
    /// As it was asked for.
    #[serde(default)]
    pub user_namespace: UserNamespace,
    /// What its ids mean on the host; `null` where they are the host's.
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

/// The host's ids that a container has: its own from 0 on mean those from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HostIds {
    pub first_user: u32,
    pub first_group: u32,
    /// How many, of each.
    pub count: u32,
    /// Other containers have the same.
    pub shared: bool,
}

/// Changes that need no new container.
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

/// How a container ended, in a shell's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ended {
    /// The program's code, 128 and the signal, 126 to 128 when it never ran, 255
    /// when nobody knows.
    pub exit_code: i32,
    pub oom_killed: bool,
    #[serde(default)]
    pub error: Option<String>,
    pub at: String,
}

/// What the probes of the present run said, or those of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HealthReport {
    pub status: Health,
    /// Failures in a row that count.
    pub failing_streak: u32,
    /// The newest five, oldest first.
    pub probes: Vec<ProbeResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProbeResult {
    pub started: String,
    pub ended: String,
    /// −1 when it took too long or could not run.
    pub exit_code: i32,
    /// The first 4,096 bytes of what it printed.
    pub output: String,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Process {
    /// As the host numbers it.
    pub pid: i32,
    /// As the container numbers it.
    pub container_pid: i32,
    /// The parent, as the host numbers it.
    pub parent: i32,
    pub user: String,
    /// One letter, proc(5).
    pub state: String,
    pub threads: u32,
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    pub started: String,
    pub command: String,
}
