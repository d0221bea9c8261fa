//! Long work, which belongs to the server.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Task {
    pub id: String,
    pub kind: TaskKind,
    /// For people: `Pull nginx:1.27`.
    pub title: String,
    pub owner: String,
    pub state: TaskState,
    pub started: String,
    #[serde(default)]
    pub ended: Option<String>,
    #[serde(default)]
    pub progress: Option<Progress>,
    /// What it made: image ids.
    #[serde(default)]
    pub result: Vec<String>,
    #[serde(default)]
    pub problem: Option<Problem>,
    /// What it works on one by one; empty for most kinds of task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<TaskItem>,
}

/// One of the containers of an action on many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskItem {
    /// The full id; where there is no such container, what was given.
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
    /// The task was cancelled before its turn.
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
    /// The same action on many containers.
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
    /// What is done now, in a word: `resolve`, `download`, `unpack`.
    pub phase: String,
    pub bytes_done: u64,
    /// 0 while unknown.
    pub bytes_total: u64,
    /// Of the last moments.
    #[serde(default)]
    pub bytes_per_s: u64,
    pub layers: Vec<LayerProgress>,
    /// What a program says that does the work, the newest lines last.
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
    /// Of the last moments; 0 while it does not move.
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
