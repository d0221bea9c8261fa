//! Images.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Image {
    /// `sha256:…` of the config.
    pub id: String,
    /// References in short form: `nginx:1.27`.
    pub tags: Vec<String>,
    #[serde(default)]
    pub created: Option<String>,
    /// When it came to this host.
    #[serde(default)]
    pub pulled: Option<String>,
    /// On the disk, packed and unpacked, all layers together.
    pub size_bytes: u64,
    /// Of that, what stays when this image alone is removed: others need it too.
    #[serde(default)]
    pub shared_bytes: u64,
    pub layer_count: u32,
    /// `linux/amd64`.
    pub platform: String,
    pub used_by: Vec<UsedBy>,
}

/// A container made from an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsedBy {
    pub id: String,
    pub name: String,
    pub running: bool,
}

/// Everything about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ImageDetails))]
pub struct Details {
    #[serde(flatten)]
    pub image: Image,
    #[serde(flatten)]
    pub spec: Spec,
}

/// An artifact that refers to an image and is kept with it: a signature, a list of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Referrer {
    /// `sha256:…` of its manifest.
    pub manifest: String,
    /// What it refers to: the image's manifest, or the index it was named by.
    pub subject: String,
    /// A media type.
    pub artifact_type: String,
    pub annotations: BTreeMap<String, String>,
    /// Of its manifest and its parts.
    pub size_bytes: u64,
    /// In the registry, where only that tells what it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// What an image says, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ImageSpec))]
pub struct Spec {
    pub manifest: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub working_dir: String,
    pub user: String,
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub stop_signal: Option<String>,
    pub layers: Vec<Layer>,
    pub history: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Layer {
    pub digest: String,
    /// On the disk, packed and unpacked.
    pub size_bytes: u64,
    /// Other images that have it too.
    #[serde(default)]
    pub shared_with: u32,
}

/// A step of the image's making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = HistoryStep))]
pub struct Step {
    #[serde(default)]
    pub created: Option<String>,
    pub instruction: String,
    /// It made no layer.
    pub empty: bool,
    #[serde(default)]
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Pull {
    pub reference: String,
    /// `linux/arm64`; absent is the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTag {
    pub reference: String,
}

/// What removing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Removed {
    pub untagged: Vec<String>,
    pub deleted: Vec<String>,
    pub freed_bytes: u64,
}
