//! Logs, read by line number.

use serde::{Deserialize, Serialize};

/// One line. Numbers only grow, over all runs of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = LogLine))]
pub struct Line {
    pub seq: u64,
    /// Where the line was stored in several records: the number of the first one. `seq` is
    /// that of the last one, and no other line has the numbers between in this stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    pub time: String,
    pub stream: Stream,
    /// Invalid UTF-8 is replaced.
    pub text: String,
    /// No newline follows: the line has no end yet, got none, or is so long that it is given
    /// in parts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
    /// A sentence of the engine about the log: lines dropped.
    Marker,
}

/// Some lines, with the bounds of what is kept and the runs that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page {
    pub lines: Vec<Line>,
    /// The number of the oldest line kept.
    pub first: u64,
    /// The number the next line will get.
    pub next: u64,
    /// All lines from the first one asked for to the one before this number were looked at.
    /// Fewer lines than asked for can come when they are long: read on from here.
    #[serde(default)]
    pub read_to: u64,
    /// Oldest first; only where they began within what is kept.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// One run of the container: where in the log it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Run {
    /// 1 is the first start.
    pub number: u64,
    pub first_seq: u64,
    pub started: String,
    #[serde(default)]
    pub ended: Option<String>,
    #[serde(default)]
    pub exit_code: Option<i32>,
    #[serde(default)]
    pub oom_killed: bool,
    /// Who asked for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<crate::container::StoppedBy>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Hits {
    /// Line numbers, ascending, at most `max` of them.
    pub seqs: Vec<u64>,
    /// Matching lines in the whole log; with `count=false` those in `seqs`.
    pub total: u64,
    /// How many matching lines come before the first of `seqs`. Absent with `count=false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// The search stopped at a time limit before the end: there may be more.
    #[serde(default)]
    pub incomplete: bool,
}

/// Where in the log a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Position {
    pub seq: u64,
}
