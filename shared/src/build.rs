//! Builds: an image made from a Dockerfile and its context.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A build request. The build context is the request body as a tar; without it, `dockerfile`
/// contains the Dockerfile and the context is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewBuild {
    /// Text of the Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Path of the Dockerfile in the context. Default: `Dockerfile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Tags of the image.
    pub tags: Vec<String>,
    /// Target stage. Default: the last stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Secrets by id, for `RUN --mount=type=secret`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// SSH agent sockets on the host by id, for `RUN --mount=type=ssh`. Requires the role `admin`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ssh: BTreeMap<String, String>,
    /// Ignores the build cache.
    pub no_cache: bool,
    /// Checks the registry for newer base images even if they exist locally.
    pub pull: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Network of `RUN` steps: `default`, `none` or `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A build, as in lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Build {
    pub id: String,
    /// Display name: the first tag, or the first line of the Dockerfile.
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
    /// Id of the image, once it is created.
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
    /// The server stopped during the build.
    Lost,
}

/// A build with its Dockerfile and all steps.
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

/// A warning about a line of the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Warning {
    pub line: u32,
    pub message: String,
}

/// A build step and its current state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BuildStep))]
pub struct Step {
    /// Step number from 1, in the order of the Dockerfile. Steps of unused stages are not numbered.
    pub number: u32,
    /// Name of the stage, or its number from 0.
    pub stage: String,
    /// Instruction of the Dockerfile with expanded variables.
    pub instruction: String,
    /// First and last line in the Dockerfile, from 1, inclusive; 0 for ONBUILD instructions of the
    /// base image.
    pub first_line: u32,
    pub last_line: u32,
    pub state: StepState,
    #[serde(default)]
    pub started: Option<String>,
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// The layer that the step created.
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

/// A log line of a step. Numbers increase by one over the whole build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BuildLine))]
pub struct Line {
    pub seq: u64,
    /// Step number; 0 is the builder itself.
    pub step: u32,
    pub time: String,
    pub text: String,
}

/// A page of log lines, and the number of the next line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LinePage {
    pub lines: Vec<Line>,
    pub next: u64,
}

/// A build cache entry: the result of a step, keyed by its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CacheEntry {
    pub key: String,
    /// Instruction of the step.
    pub title: String,
    pub created: String,
    pub used: String,
    pub uses: u64,
    /// Size of its unpacked layer, including layers that an image also uses.
    pub size_bytes: u64,
}

/// Selects the build cache entries to remove; without fields, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CachePrune {
    /// Removes only entries not used for this number of seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_for_s: Option<u64>,
    /// Removes entries until the rest takes no more than this number of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CachePruned {
    pub entries: u64,
    pub freed_bytes: u64,
}
