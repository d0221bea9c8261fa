//! Registries that this server knows: how they are reached and as whom.

use serde::{Deserialize, Serialize};

/// A registry. What signs in there is kept encrypted and never shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Registry {
    /// `registry.example.org` or `registry.example.org:5000`; Docker Hub is `docker.io`.
    pub host: String,
    /// As whom; absent is as nobody.
    #[serde(default)]
    pub username: Option<String>,
    pub transport: Transport,
    /// Whether it has a certificate authority of its own.
    #[serde(default)]
    pub own_ca: bool,
    /// Addresses that are asked first for its images.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// When an image was last brought from or sent to it.
    #[serde(default)]
    pub used: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// HTTPS whose certificate is checked; plain HTTP on this host's loopback.
    #[default]
    Checked,
    /// HTTPS with whatever certificate.
    Unchecked,
    Plain,
}

/// How a registry is to be reached from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RegistrySetup {
    /// Absent is as nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Absent keeps the one of the same user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    pub transport: Transport,
    /// Certificate authorities in PEM; absent keeps them, empty takes them away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Asked first for its images, in this order: `https://mirror.example`. Absent keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrors: Option<Vec<String>>,
}

/// What a registry answered when it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Verdict {
    pub works: bool,
    /// In a sentence.
    pub detail: String,
    pub milliseconds: u64,
}

/// Sends an image to a registry under this name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    pub reference: String,
    /// Also the signatures and other artifacts that are kept with the image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub referrers: bool,
    /// Instead of what is kept for the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}
