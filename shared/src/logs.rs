//! Logs, read by line number.

use serde::{Deserialize, Serialize};

/// A log line. Line numbers increase over all runs of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = LogLine))]
pub struct Line {
    pub seq: u64,
    /// For a line stored in several records: the number of the first record. `seq` is the number of
    /// the last one. No other line of this stream has a number in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    pub time: String,
    pub stream: Stream,
    /// Text of the line; invalid UTF-8 is replaced.
    pub text: String,
    /// The text does not end with a newline: the line is incomplete, or is split because it is too
    /// long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
    /// A message of the engine about the log, such as dropped lines.
    Marker,
}

/// A page of log lines, with the bounds of the stored log and its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page {
    pub lines: Vec<Line>,
    /// Number of the oldest stored line.
    pub first: u64,
    /// Number of the next line to be written.
    pub next: u64,
    /// All lines before this number were examined. A page of long lines may have fewer lines than
    /// requested: continue reading from here.
    #[serde(default)]
    pub read_to: u64,
    /// Runs that started within the stored log, oldest first.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// One run of the container and where it starts in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Run {
    /// Run number; 1 is the first start.
    pub number: u64,
    pub first_seq: u64,
    pub started: String,
    #[serde(default)]
    pub ended: Option<String>,
    #[serde(default)]
    pub exit_code: Option<i32>,
    #[serde(default)]
    pub oom_killed: bool,
    /// What requested the end of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<crate::container::StoppedBy>,
}

/// Result of a log search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Hits {
    /// Numbers of matching lines, ascending, at most `max`.
    pub seqs: Vec<u64>,
    /// Number of matching lines in the whole log; with `count=false`, in `seqs`.
    pub total: u64,
    /// Number of matching lines before the first of `seqs`. Absent with `count=false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// The search reached its time limit; there may be more matches.
    #[serde(default)]
    pub incomplete: bool,
}

/// Position of a time in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Position {
    pub seq: u64,
}
