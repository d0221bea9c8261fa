//! Configured registries: transport and login.

use serde::{Deserialize, Serialize};

/// A configured registry. Credentials are stored encrypted and never returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Registry {
    /// `registry.example.org` or `registry.example.org:5000`; Docker Hub is `docker.io`.
    pub host: String,
    /// User name; absent for anonymous access.
    #[serde(default)]
    pub username: Option<String>,
    pub transport: Transport,
    /// Whether custom certificate authorities are configured.
    #[serde(default)]
    pub own_ca: bool,
    /// Mirrors that are tried first for pulls.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// Time of the last pull or push.
    #[serde(default)]
    pub used: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// HTTPS with certificate verification; plain HTTP for loopback addresses.
    #[default]
    Checked,
    /// HTTPS without certificate verification.
    Unchecked,
    Plain,
}

/// Transport and login of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RegistrySetup {
    /// User name; absent for anonymous access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password; absent keeps the stored password of the same user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    pub transport: Transport,
    /// Certificate authorities in PEM; absent keeps them, an empty string removes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Mirrors that are tried first for pulls, in this order: `https://mirror.example`. Absent
    /// keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrors: Option<Vec<String>>,
}

/// Result of a registry check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Verdict {
    pub works: bool,
    /// Explanation in one sentence.
    pub detail: String,
    pub milliseconds: u64,
}

/// A request to push an image to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    pub reference: String,
    /// Also pushes the signatures and other artifacts stored with the image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub referrers: bool,
    /// Login for this push, instead of the stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}
