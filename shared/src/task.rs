//! Tasks: long-running operations of the server.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Task {
    pub id: String,
    pub kind: TaskKind,
    /// Display title: `Pull nginx:1.27`.
    pub title: String,
    pub owner: String,
    pub state: TaskState,
    pub started: String,
    #[serde(default)]
    pub ended: Option<String>,
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Ids of the created images.
    #[serde(default)]
    pub result: Vec<String>,
    #[serde(default)]
    pub problem: Option<Problem>,
    /// Results of single objects; empty for most kinds of task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<TaskItem>,
}

/// The result of a bulk action for one container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskItem {
    /// Full container id, or the requested name if no such container exists.
    pub id: String,
    pub name: String,
    pub state: ItemState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    Waiting,
    Running,
    Done,
    Failed,
    /// The task was cancelled before this container was processed.
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    Pull,
    Load,
    Import,
    Verify,
    Push,
    Build,
    Template,
    /// A bulk action on containers.
    Bulk,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Running,
    Done,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Current phase: `resolve`, `download`, `unpack` …
    pub phase: String,
    pub bytes_done: u64,
    /// Total bytes; 0 while unknown.
    pub bytes_total: u64,
    /// Current transfer rate.
    #[serde(default)]
    pub bytes_per_s: u64,
    pub layers: Vec<LayerProgress>,
    /// Recent output lines of the external program, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LayerProgress {
    pub digest: String,
    pub state: LayerState,
    pub bytes_done: u64,
    pub bytes_total: u64,
    /// Current transfer rate; 0 while no data arrives.
    #[serde(default)]
    pub bytes_per_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    Waiting,
    Downloading,
    Uploading,
    Verifying,
    Extracting,
    Done,
    AlreadyHere,
}
