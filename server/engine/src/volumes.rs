//! Volumes: places for data that outlive containers.

use model::Timestamp;
use model::container::ContainerId;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub created: Timestamp,
    /// Made for one container, without a name of its own.
    pub anonymous: bool,
    pub labels: Vec<(String, String)>,
    pub path: PathBuf,
    pub used_by: Vec<ContainerId>,
}
