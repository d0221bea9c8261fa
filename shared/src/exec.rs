//! Further processes in a running container.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewExec {
    pub command: Vec<String>,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub terminal: bool,
    pub stdin: bool,
}

/// An exec was made; the console channel starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExecCreated {
    pub id: String,
}

/// An exec with a terminal that a console channel opened. It goes on when its clients
/// leave, and ends half an hour after the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Console {
    /// Of the exec: a console channel with it joins.
    pub id: String,
    pub command: Vec<String>,
    #[serde(default)]
    pub user: Option<String>,
    /// Who opened it; empty where that is not known any more.
    pub owner: String,
    pub started: String,
    /// How many clients are joined now.
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
