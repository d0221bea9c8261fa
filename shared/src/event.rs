//! Events.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Event {
    pub seq: u64,
    pub time: String,
    pub kind: SubjectKind,
    /// The id of the container, image or network; the name of the volume.
    pub subject: String,
    /// Action, as in Docker: `start`, `die`, `oom`, `pull` …
    pub action: String,
    /// Attributes at the time of the event: `name`, `image`, `exit_code` …
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    Container,
    Image,
    Network,
    Volume,
}
