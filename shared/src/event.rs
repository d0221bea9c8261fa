//! What happened.

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
    /// `start`, `die`, `oom`, `pull` … the words of both APIs.
    pub action: String,
    /// Facts at that moment: `name`, `image`, `exit_code` …
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
