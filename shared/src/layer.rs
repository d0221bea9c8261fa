//! What images are made of: the tree of their layers, the files of each layer,
//! what could go, and what was found in them.

use serde::{Deserialize, Serialize};

/// All layers of all images on this host, each once, parents before children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// A layer on those below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its chain id.
    pub id: String,
    /// Of the layer below; absent at the bottom.
    #[serde(default)]
    pub parent: Option<String>,
    /// What made it, in a line.
    pub instruction: String,
    /// Of this layer alone, on disk.
    pub size_bytes: u64,
    /// Images that have it.
    pub image_count: u32,
    /// What removing every image above would free.
    pub freed_bytes: u64,
    /// Images that end here.
    #[serde(default)]
    pub images: Vec<Leaf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Leaf {
    pub id: String,
    pub tags: Vec<String>,
    pub containers: u32,
    /// What removing this image alone would free.
    pub freed_bytes: u64,
}

/// A file or directory as one layer has it, or takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = LayerFile))]
pub struct File {
    /// Its name in the directory asked for.
    pub name: String,
    pub kind: FileKind,
    pub change: Change,
    /// Of a directory: of all below that the layer brings.
    pub size_bytes: u64,
    /// Octal permission bits: `0755`.
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    pub owner: String,
    /// Where a symbolic link points.
    #[serde(default)]
    pub target: Option<String>,
    /// How many entries below a directory the layer has.
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
    /// From a layer below, when the result so far is asked for.
    Unchanged,
}

/// Bytes that an image carries and nobody sees: files that a later layer replaces or
/// takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Waste {
    pub total_bytes: u64,
    pub wasted_bytes: u64,
    /// The greatest first.
    pub worst: Vec<WastedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WastedFile {
    pub path: String,
    pub wasted_bytes: u64,
    /// In how many layers it stands.
    pub layers: u32,
}

/// What is to be cleaned up. With nothing set, images that have no name and no
/// container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prune {
    /// Only tells what would go.
    pub preview: bool,
    /// Also images that have names, if no container uses them.
    pub unused: bool,
    /// Only what was not used for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_seconds: Option<u64>,
    /// Only as many, the longest unused first, as bring images below this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_bytes: Option<u64>,
    /// Only these of a preview, by their ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// Also what builds remember: layers are kept for that, too.
    pub build_cache: bool,
}

/// What goes, or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Pruned {
    pub items: Vec<PrunedItem>,
    /// On the disk, of all together: what they share counts once, what others need not at
    /// all. With the build cache only where that goes too.
    pub freed_bytes: u64,
    #[serde(default)]
    pub build_cache: PrunedCache,
}

/// What builds remember: what goes of it, or, where it was not asked for, could go too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PrunedCache {
    pub steps: u64,
    /// Freed beyond what the images free alone.
    pub freed_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PrunedItem {
    pub id: String,
    /// For people: its first tag, or a short id.
    pub name: String,
    /// On the disk, whatever else needs it too.
    pub size_bytes: u64,
    /// When a container last used it; absent is never.
    #[serde(default)]
    pub used: Option<String>,
}

/// An image made from a distribution's packages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// `debian`, `ubuntu`.
    pub distribution: String,
    /// `bookworm`, `noble`.
    pub suite: String,
    /// Beyond the smallest set.
    pub packages: Vec<String>,
    /// Where packages come from; absent is the distribution's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// The image's name.
    pub reference: String,
}
