//! Execs: additional processes in a running container.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewExec {
    pub command: Vec<String>,
    /// Environment variables as `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub terminal: bool,
    pub stdin: bool,
}

/// The created exec. It starts when a console channel with its id is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExecCreated {
    pub id: String,
}

/// An exec with a terminal that a console channel opened. It keeps running when its clients detach,
/// and is terminated half an hour after the last one detached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Console {
    /// Id of the exec; a console channel with this id attaches to it.
    pub id: String,
    pub command: Vec<String>,
    #[serde(default)]
    pub user: Option<String>,
    /// Name of the user who opened it; empty if unknown.
    pub owner: String,
    pub started: String,
    /// Number of attached clients.
    pub clients: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Exec {
    pub id: String,
    pub container_id: String,
    pub running: bool,
    #[serde(default)]
    pub exit_code: Option<i32>,
    #[serde(default)]
    pub pid: Option<i32>,
}
