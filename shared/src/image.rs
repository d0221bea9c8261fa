//! Images.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Image {
    /// Digest of the image config: `sha256:…`.
    pub id: String,
    /// Image references in short form: `nginx:1.27`.
    pub tags: Vec<String>,
    #[serde(default)]
    pub created: Option<String>,
    /// When the image was added to this host.
    #[serde(default)]
    pub pulled: Option<String>,
    /// Disk usage of all layers, compressed and unpacked.
    pub size_bytes: u64,
    /// The part of `size_bytes` that other images share and that removing this image does not free.
    #[serde(default)]
    pub shared_bytes: u64,
    pub layer_count: u32,
    /// Platform, such as `linux/amd64`.
    pub platform: String,
    pub used_by: Vec<UsedBy>,
}

/// A container created from an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsedBy {
    pub id: String,
    pub name: String,
    pub running: bool,
}

/// An image with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ImageDetails))]
pub struct Details {
    #[serde(flatten)]
    pub image: Image,
    #[serde(flatten)]
    pub spec: Spec,
}

/// An artifact that refers to an image and is stored with it, such as a signature or an SBOM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Referrer {
    /// Digest of its manifest: `sha256:…`.
    pub manifest: String,
    /// Digest of its subject: the image's manifest, or the index the image was pulled by.
    pub subject: String,
    /// Artifact type: a media type.
    pub artifact_type: String,
    pub annotations: BTreeMap<String, String>,
    /// Size of its manifest and blobs.
    pub size_bytes: u64,
    /// Tag in the registry, for artifacts that name their subject only by their tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Configuration, layers and history of an image.
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
    /// Disk usage, compressed and unpacked.
    pub size_bytes: u64,
    /// Number of other images that contain this layer.
    #[serde(default)]
    pub shared_with: u32,
}

/// An entry of the image history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = HistoryStep))]
pub struct Step {
    #[serde(default)]
    pub created: Option<String>,
    pub instruction: String,
    /// The step created no layer.
    pub empty: bool,
    #[serde(default)]
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Pull {
    pub reference: String,
    /// Platform, such as `linux/arm64`. Default: the host's platform.
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

/// Result of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Removed {
    pub untagged: Vec<String>,
    pub deleted: Vec<String>,
    pub freed_bytes: u64,
}
