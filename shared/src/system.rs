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
    /// `v1`, `v2` or `hybrid`.
    pub cgroups: String,
    pub data_dir: String,
    /// Whose ids containers have that do not say it: `off`, `auto`, the name of a user,
    /// or a range.
    #[serde(default)]
    pub userns: String,
    /// Whether the server is an ordinary user's.
    #[serde(default)]
    pub rootless: bool,
    /// Whether files below the data directory can be shown with mapped ids.
    #[serde(default)]
    pub mapped_mounts: bool,
    /// How containers get files of their own: `overlay`, `btrfs` or `copy`.
    #[serde(default)]
    pub snapshotter: String,
    /// Why it was chosen, for people.
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
    /// Containers can run here.
    pub usable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CheckItem {
    /// The heading it stands under.
    pub group: String,
    pub name: String,
    pub required: bool,
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What it is for.
    pub purpose: String,
    /// How to mend it.
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

/// What takes disk space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Usage {
    pub images_bytes: u64,
    pub containers_bytes: u64,
    pub volumes_bytes: u64,
    pub logs_bytes: u64,
}
