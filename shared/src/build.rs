//! Builds: an image made from a Dockerfile and its context.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to be built. The context is the request's body, a tar; without one,
/// `dockerfile` has the text and the context is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewBuild {
    /// The text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Where it lies in the context; absent is `Dockerfile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Names of the image.
    pub tags: Vec<String>,
    /// The stage to build; absent is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// By id, for `RUN --mount=type=secret`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Sockets of ssh agents on the host, by id, for `RUN --mount=type=ssh`; needs the
    /// role `admin`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ssh: BTreeMap<String, String>,
    /// Runs every step.
    pub no_cache: bool,
    /// Asks the registry for base images even when they are here.
    pub pull: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// `default`, `none` or `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A build, in lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Build {
    pub id: String,
    /// For people: its first tag, or the first line of its Dockerfile.
    pub title: String,
    pub tags: Vec<String>,
    pub owner: String,
    pub state: BuildState,
    pub started: String,
    #[serde(default)]
    pub ended: Option<String>,
    pub steps: u32,
    pub steps_done: u32,
    pub steps_cached: u32,
    /// The image's id, once it is made.
    #[serde(default)]
    pub image: Option<String>,
    #[serde(default)]
    pub size_bytes: Option<u64>,
    #[serde(default)]
    pub problem: Option<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    Running,
    Done,
    Failed,
    Cancelled,
    /// The server ended meanwhile.
    Lost,
}

/// A build with its Dockerfile and every step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BuildDetails))]
pub struct Details {
    pub build: Build,
    pub dockerfile: String,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// Something that works and is perhaps not meant so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Warning {
    pub line: u32,
    pub message: String,
}

/// A step, or what is known of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BuildStep))]
pub struct Step {
    /// From 1, in the order of the Dockerfile; stages that are not needed have none.
    pub number: u32,
    /// The stage's name, or its number from 0.
    pub stage: String,
    /// As it stands in the Dockerfile, with its variables filled in.
    pub instruction: String,
    /// Lines of the Dockerfile, from 1, both included; 0 for what an ONBUILD adds.
    pub first_line: u32,
    pub last_line: u32,
    pub state: StepState,
    #[serde(default)]
    pub started: Option<String>,
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// The layer it made.
    #[serde(default)]
    pub layer: Option<String>,
    #[serde(default)]
    pub size_bytes: Option<u64>,
    #[serde(default)]
    pub exit_code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Waiting,
    Running,
    Done,
    Cached,
    Failed,
    Cancelled,
}

/// A line that a step wrote. Numbers grow by one over the whole build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BuildLine))]
pub struct Line {
    pub seq: u64,
    /// 0 is the builder itself.
    pub step: u32,
    pub time: String,
    pub text: String,
}

/// Some lines, and the number the next one will get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LinePage {
    pub lines: Vec<Line>,
    pub next: u64,
}

/// What a step made, remembered under the key of all it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CacheEntry {
    pub key: String,
    /// The step.
    pub title: String,
    pub created: String,
    pub used: String,
    pub uses: u64,
    /// Of its own layer, unpacked; also where an image has it, too.
    pub size_bytes: u64,
}

/// What of the cache is to go; without limits, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CachePrune {
    /// Only what was not used for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_for_s: Option<u64>,
    /// Until what is left takes no more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CachePruned {
    pub entries: u64,
    pub freed_bytes: u64,
}
