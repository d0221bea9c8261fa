//! What is asked for when a container is created.

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A container to make. What is absent comes from the image, else from Docker's defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewContainer {
    /// A reference; the one field that has to be there.
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
    /// `8080:80`, `127.0.0.1:8080:80/tcp`, `8000-8010:80-90`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// `name:address`.
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
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    /// Left out where the command is the init of a whole system itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// Whether the command is the init of a whole system, such as systemd.
    #[serde(skip_serializing_if = "is_default")]
    pub system: SystemChoice,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_bytes: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Whose ids the container's users are on the host.
    #[serde(skip_serializing_if = "is_default")]
    pub user_namespace: UserNamespace,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_new_privileges: bool,
    /// `default`, `unconfined`, or a profile as JSON text.
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
    /// Started as soon as it is made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Supplementary groups of the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Standard input is closed when the first client that attached leaves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin_once: bool,
    /// Names of the image's variables that the container does not get.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Ports that are named without being published: `80/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<String>,
    /// Publishes every exposed port at a free port of the host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_all: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// Waits for the end without a limit at a stop, instead of `stop_timeout`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_stop_timeout: bool,
    /// -1000 to 1000; a process with a higher one is killed first when memory runs out.
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
    /// Paths that cannot be read in the container; absent takes the default list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_paths: Option<Vec<String>>,
    /// Paths that cannot be written in the container; absent takes the default list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub more_limits: MoreLimits,
}

/// Whose namespace the container is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NamespaceMode {
    /// Its own.
    #[default]
    Private,
    Host,
}

/// Limits that only creation takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MoreLimits {
    /// Microseconds of processor time in each period, -1 for no limit; instead of `nano_cpus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period_us: Option<u64>,
    /// Memory nodes, as `0-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mems: Option<String>,
    /// 0 to 100; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_kill_disabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_weight_device: Vec<DeviceAmount>,
    /// Bytes per second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_read_bps: Vec<DeviceAmount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_write_bps: Vec<DeviceAmount>,
    /// Operations per second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_read_iops: Vec<DeviceAmount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_write_iops: Vec<DeviceAmount>,
}

/// An amount for one block device.
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
    /// By the command: systemd, or `init` where systems have theirs.
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserNamespace {
    /// As the server has it for containers that say nothing.
    #[default]
    Server,
    /// Root inside is root of the host.
    Host,
    /// A range of the host's ids that no other container has.
    Own,
}

/// A container was made.
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

/// Something mounted in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    pub kind: MountKind,
    /// A path of the host or the name of a volume; empty for tmpfs, and for a new volume that
    /// is the container's alone.
    #[serde(default)]
    pub source: String,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
    /// Of a tmpfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Of a bind: `rprivate`, `rslave`, `rshared` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<String>,
    /// Of a bind: what becomes of mounts below the source; absent is `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_recursive: Option<BindRecursive>,
    /// Of a bind: the host's directory is created when it does not exist.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Of a volume: it is not filled with what the image has there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    /// Of a tmpfs: permission bits of its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Of a tmpfs: further mount options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// What becomes of mounts below the source of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BindRecursive {
    /// They are bound too, read-only where the bind is.
    Enabled,
    /// They are left out.
    Disabled,
    /// They are bound too, and stay writable where the bind is read-only.
    Writable,
    /// As `enabled`; the bind must be read-only and private.
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
    /// Of `on_failure`; absent is without end.
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
    /// `nofile`, `nproc` …
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
    /// Some of `r`, `w`, `m`.
    pub access: String,
}

/// How health is probed. Durations are seconds; absent takes the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// No probe, also where the image has one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// An argument list, or one entry that a shell reads when `shell` is set.
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
    /// Between probes in the start period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<f64>,
}

/// How much of the log is kept, and what happens when the disk is slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// Everything kept, in bytes before compression.
    pub keep_bytes: u64,
    /// Files it is divided into, of which the oldest goes when a new one begins; 16
    /// unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// Compress the files that are not written to any more.
    #[serde(default)]
    pub compress: bool,
    /// Drop and count lines rather than let the container wait.
    #[serde(default)]
    pub non_blocking: bool,
    /// What waits for a slow disk before lines are dropped; a mebibyte unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_bytes: Option<u64>,
    /// Keep nothing at all.
    #[serde(default)]
    pub off: bool,
    /// As a client of Docker chose it; logs are kept in the same way whatever its name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<LogDriver>,
}

/// A log driver and its options, as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogDriver {
    pub name: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}
