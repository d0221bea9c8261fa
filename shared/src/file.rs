//! Files of containers.

use serde::{Deserialize, Serialize};

/// A file of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ContainerFile))]
pub struct File {
    pub name: String,
    pub kind: FileKind,
    /// Octal permission bits: `0755`.
    pub mode: String,
    /// Owner's user id as seen on the host.
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    pub modified: String,
    /// Target of a symbolic link.
    #[serde(default)]
    pub target: Option<String>,
}

pub use crate::layer::FileKind;

/// A path that differs from the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChangedFile {
    /// Absolute path in the container.
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

/// A request to create an image from a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewCommit {
    /// Tag of the new image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Comment in the image history.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Dockerfile instructions that change the image config: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Pauses the container during the commit, so that its files are consistent.
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
    /// Id of the image.
    pub id: String,
}
