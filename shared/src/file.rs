//! Files of containers.

use serde::{Deserialize, Serialize};

/// One thing in a container's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerFile))]
pub struct File {
    pub name: String,
    pub kind: FileKind,
    /// Octal permission bits: `0755`.
    pub mode: String,
    /// As the host counts.
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    pub modified: String,
    /// Where a symbolic link points.
    #[serde(default)]
    pub target: Option<String>,
}

pub use crate::layer::FileKind;

/// A path that is not as the image has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChangedFile {
    /// Absolute, in the container.
    pub path: String,
    pub change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerChange))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Modified,
    Added,
    Deleted,
}

/// An image to make of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewCommit {
    /// The name it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Told in the history.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Lines of a Dockerfile that change what containers begin with: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Pauses the container meanwhile, so that its files fit together.
    pub pause: bool,
}

impl Default for NewCommit {
    fn default() -> Self {
        Self {
            reference: None,
            message: String::new(),
            author: None,
            changes: Vec::new(),
            pause: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Committed {
    /// Of the image.
    pub id: String,
}
