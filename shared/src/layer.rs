//! Contents of images: the layer tree, the files of each layer, removable data
//! and wasted space.

use serde::{Deserialize, Serialize};

/// All layers of all images on this host, each once, parents before children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// A layer with its position in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Node {
    /// Chain ID of the layer (image-spec).
    pub id: String,
    /// Chain ID of the parent layer; absent for the lowest.
    #[serde(default)]
    pub parent: Option<String>,
    /// The instruction that created the layer, in one line.
    pub instruction: String,
    /// Disk usage of this layer alone.
    pub size_bytes: u64,
    /// Number of images that contain this layer.
    pub image_count: u32,
    /// Bytes freed if all images that contain this layer are removed.
    pub freed_bytes: u64,
    /// Images of which this is the top layer.
    #[serde(default)]
    pub images: Vec<Leaf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Leaf {
    pub id: String,
    pub tags: Vec<String>,
    pub containers: u32,
    /// Bytes freed if only this image is removed.
    pub freed_bytes: u64,
}

/// A file or directory that a layer contains or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = LayerFile))]
pub struct File {
    /// Name within the requested directory.
    pub name: String,
    pub kind: FileKind,
    pub change: Change,
    /// Size; for a directory, the total size of the layer's files in it.
    pub size_bytes: u64,
    /// Octal permission bits: `0755`.
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    pub owner: String,
    /// Target of a symbolic link.
    #[serde(default)]
    pub target: Option<String>,
    /// Number of the layer's entries below a directory.
    #[serde(default)]
    pub entries: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Directory,
    File,
    Link,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = LayerChange))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Changed,
    Removed,
    /// From a lower layer; only in the merged view (`whole`).
    Unchanged,
}

/// Space in an image taken by files that a later layer replaces or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Waste {
    pub total_bytes: u64,
    pub wasted_bytes: u64,
    /// Largest first.
    pub worst: Vec<WastedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WastedFile {
    pub path: String,
    pub wasted_bytes: u64,
    /// Number of layers that contain the path.
    pub layers: u32,
}

/// Selects the images to remove. Default: images without a tag and without a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prune {
    /// Returns what would be removed, without removing it.
    pub preview: bool,
    /// Includes tagged images that no container uses.
    pub unused: bool,
    /// Removes only images not used for this number of seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_seconds: Option<u64>,
    /// Removes images, least recently used first, until the rest takes no more than this number of
    /// bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_bytes: Option<u64>,
    /// Removes only these images of a preview, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// Also removes the build cache, which keeps layers in use.
    pub build_cache: bool,
}

/// The images that are, or would be, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Pruned {
    pub items: Vec<PrunedItem>,
    /// Total disk space freed. Layers shared between the removed images count once; layers that
    /// other images use do not count. Includes the build cache only if it is removed too.
    pub freed_bytes: u64,
    #[serde(default)]
    pub build_cache: PrunedCache,
}

/// The part of the build cache that is removed, or that could also be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PrunedCache {
    pub steps: u64,
    /// Bytes freed in addition to those of the images.
    pub freed_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PrunedItem {
    pub id: String,
    /// Display name: the first tag, or a short id.
    pub name: String,
    /// Disk usage, including layers that other images share.
    pub size_bytes: u64,
    /// When a container last used it; absent if never.
    #[serde(default)]
    pub used: Option<String>,
}

/// A request to create an image from a distribution's packages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// Distribution: `debian` or `ubuntu`.
    pub distribution: String,
    /// Suite, such as `bookworm` or `noble`.
    pub suite: String,
    /// Packages in addition to the minimal set.
    pub packages: Vec<String>,
    /// Package mirror. Default: the distribution's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// Tag of the image.
    pub reference: String,
}
