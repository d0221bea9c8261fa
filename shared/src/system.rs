//! The host and the engine.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct System {
    pub version: String,
    #[serde(default)]
    pub commit: Option<String>,
    pub hostname: String,
    pub operating_system: String,
    pub kernel: String,
    pub architecture: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Cgroup version: `v1`, `v2` or `hybrid`.
    pub cgroups: String,
    pub data_dir: String,
    /// Default user namespace mode (`--userns`): `off`, `auto`, a user name, or a range.
    #[serde(default)]
    pub userns: String,
    /// Whether the server runs without root.
    #[serde(default)]
    pub rootless: bool,
    /// Whether the filesystem of the data directory supports ID-mapped mounts.
    #[serde(default)]
    pub mapped_mounts: bool,
    /// Snapshotter in use: `overlay`, `btrfs` or `copy`.
    #[serde(default)]
    pub snapshotter: String,
    /// Why this snapshotter was chosen.
    #[serde(default)]
    pub snapshotter_reason: String,
    pub subnet: String,
    pub bridge: String,
    /// When the server started.
    pub started: String,
    /// When the host started.
    #[serde(default)]
    pub booted: Option<String>,
}

/// The report of the host check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Check {
    pub items: Vec<CheckItem>,
    /// The host can run containers.
    pub usable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CheckItem {
    /// Heading of the group.
    pub group: String,
    pub name: String,
    pub required: bool,
    pub outcome: Outcome,
    /// What the check found.
    pub found: String,
    /// What the requirement is used for.
    pub purpose: String,
    /// How to fix it.
    #[serde(default)]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    Warn,
    Fail,
}

/// Disk usage by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Usage {
    pub images_bytes: u64,
    pub containers_bytes: u64,
    pub volumes_bytes: u64,
    pub logs_bytes: u64,
}
