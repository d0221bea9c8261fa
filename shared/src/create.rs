//! The request to create a container.

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request to create a container. Absent fields are taken from the image, or else from Docker's
/// defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewContainer {
    /// Image reference; the only required field.
    pub image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin_open: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub network: NetworkMode,
    /// Published ports: `8080:80`, `127.0.0.1:8080:80/tcp`, `8000-8010:80-90`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Additional `/etc/hosts` entries as `name:address`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    pub limits: Limits,
    pub restart: Restart,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auto_remove: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Timeout before SIGKILL, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    /// Runs an init process as PID 1 that reaps zombies. Ignored if the command is itself the init
    /// of a system.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// Whether the command is the init of a system, such as systemd.
    #[serde(skip_serializing_if = "is_default")]
    pub system: SystemChoice,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_bytes: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// User namespace: how user and group ids of the container map to the host.
    #[serde(skip_serializing_if = "is_default")]
    pub user_namespace: UserNamespace,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_new_privileges: bool,
    /// Seccomp profile: `default`, `unconfined`, or a profile as a JSON string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogOptions>,
    /// Starts the container after creating it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Supplementary groups of the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Closes standard input when the first attached client detaches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin_once: bool,
    /// Names of environment variables of the image to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Ports that are exposed but not published: `80/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<String>,
    /// Publishes every exposed port on a free host port.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_all: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// Waits without a limit on stop, instead of `stop_timeout`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_stop_timeout: bool,
    /// `oom_score_adj` (proc(5)), -1000 to 1000. The OOM killer kills processes with a higher score
    /// first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    #[serde(skip_serializing_if = "is_default")]
    pub pid: NamespaceMode,
    #[serde(skip_serializing_if = "is_default")]
    pub ipc: NamespaceMode,
    #[serde(skip_serializing_if = "is_default")]
    pub uts: NamespaceMode,
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup_namespace: NamespaceMode,
    /// Paths that are hidden in the container (`maskedPaths`). Default: the list of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_paths: Option<Vec<String>>,
    /// Paths that are read-only in the container (`readonlyPaths`). Default: the list of the
    /// engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub more_limits: MoreLimits,
}

/// The namespace that the container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NamespaceMode {
    /// A new namespace for the container.
    #[default]
    Private,
    Host,
}

/// Limits that can be set only at creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MoreLimits {
    /// CPU time per period in microseconds; -1 means no limit. An alternative to `nano_cpus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period_us: Option<u64>,
    /// Memory nodes (`cpuset.mems`), such as `0-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mems: Option<String>,
    /// `memory.swappiness`, 0 to 100; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_kill_disabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_weight_device: Vec<DeviceAmount>,
    /// Read limit in bytes per second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_read_bps: Vec<DeviceAmount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_write_bps: Vec<DeviceAmount>,
    /// Read limit in operations per second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_read_iops: Vec<DeviceAmount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_write_iops: Vec<DeviceAmount>,
}

/// A limit or weight for one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceAmount {
    pub major: u32,
    pub minor: u32,
    pub amount: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SystemChoice {
    /// Detected from the command: systemd, or an `init` at one of the usual paths.
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserNamespace {
    /// The server's default (`--userns`).
    #[default]
    Server,
    /// The host's user namespace: root in the container is root on the host.
    Host,
    /// A user namespace with a range of host ids that no other container uses.
    Own,
}

/// The created container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Created {
    pub id: String,
    pub name: String,
    pub warnings: Vec<String>,
}

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvEntry {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    #[default]
    Bridge,
    None,
    Host,
}

/// A mount in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    pub kind: MountKind,
    /// Host path or volume name; empty for tmpfs, and for a new anonymous volume.
    #[serde(default)]
    pub source: String,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
    /// tmpfs only: size limit in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Bind only: mount propagation, such as `rprivate`, `rslave` or `rshared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<String>,
    /// Bind only: how submounts of the source are handled. Default: `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_recursive: Option<BindRecursive>,
    /// Bind only: creates the host directory if it does not exist.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Volume only: does not copy the image's files at the target into an empty volume.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    /// tmpfs only: permission bits of its root directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// tmpfs only: additional mount options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// How submounts of a bind mount's source are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BindRecursive {
    /// Submounts are included, and are read-only if the bind mount is.
    Enabled,
    /// Submounts are excluded.
    Disabled,
    /// Submounts are included, and stay writable if the bind mount is read-only.
    Writable,
    /// Like `enabled`, and requires a read-only bind mount with private propagation.
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    Bind,
    #[default]
    Volume,
    Tmpfs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Restart {
    pub policy: RestartPolicy,
    /// `on_failure` only: maximum number of restarts. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    #[default]
    No,
    OnFailure,
    Always,
    UnlessStopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// Name without the prefix `RLIMIT_`: `nofile`, `nproc` …
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub host_path: String,
    pub container_path: String,
    /// Allowed access, any of `r`, `w`, `m` (read, write, mknod).
    pub access: String,
}

/// Health check configuration. Durations are in seconds; absent fields use the defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Disables the health check, including the one of the image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Argument list, or a single shell command if `shell` is true.
    pub command: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shell: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<f64>,
    /// Interval between probes during the start period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<f64>,
}

/// Log retention, and behavior when the disk is slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// Maximum size of the stored log, in bytes before compression.
    pub keep_bytes: u64,
    /// Number of log files; the oldest is removed when a new one is started. Default: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// Compresses closed log files.
    #[serde(default)]
    pub compress: bool,
    /// Drops and counts lines instead of blocking the container.
    #[serde(default)]
    pub non_blocking: bool,
    /// Bytes buffered for a slow disk before lines are dropped. Default: 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_bytes: Option<u64>,
    /// Stores no log.
    #[serde(default)]
    pub off: bool,
    /// The log driver a Docker client requested. It does not change how logs are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<LogDriver>,
}

/// A log driver and its options, as requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogDriver {
    pub name: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}
