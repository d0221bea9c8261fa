//! Networks.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Network {
    pub id: String,
    pub name: String,
    /// `bridge`, `host` or `none`.
    pub kind: String,
    #[serde(default)]
    pub subnet: Option<String>,
    #[serde(default)]
    pub gateway: Option<String>,
    /// Name of the bridge device on the host.
    #[serde(default)]
    pub device: Option<String>,
    pub members: Vec<Member>,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Member {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub address: Option<String>,
}
