use model::Timestamp;
use std::time::Duration;

/// A record of a container's log. Numbers never repeat and never skip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub seq: u64,
    pub time: Timestamp,
    pub stream: LogStream,
    /// Cut at 16 KiB: the next record of this stream goes on with it.
    pub partial: bool,
    /// This is no output but the engine's mark for that many lines that could not be written.
    pub dropped: Option<u64>,
    /// Bytes as they were written, without the newline.
    pub text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStream {
    Stdout,
    Stderr,
}

impl LogStream {
    pub fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Which numbers are kept: from `first` to the one before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    pub first: u64,
    pub next: u64,
}

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogBatch {
    Lines(Vec<LogLine>),
    /// These many lines were rotated away before they could be read.
    Skipped(u64),
}

/// What is searched for. Bytes, not characters: a log may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    pub pattern: String,
    /// A regular expression, else plain text.
    pub regex: bool,
    pub ignore_case: bool,
    /// Lines that do not match instead.
    pub invert: bool,
    /// `None` is both.
    pub stream: Option<LogStream>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Begins here; the log's own beginning (or end) when `None`.
    pub from_seq: Option<u64>,
    /// Newest first.
    pub backwards: bool,
    /// Ends after this many hits; the rest is only counted.
    pub limit: usize,
    /// Stops after this long with what it has.
    pub patience: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHit {
    pub line: LogLine,
    /// Where in the text, as byte ranges.
    pub spans: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogHits {
    pub hits: Vec<LogHit>,
    /// Matching lines in all of the searched range, those beyond `limit` too.
    pub total: u64,
    pub scanned: u64,
    /// Where to go on for the next hits; `None` when these are all.
    pub next_seq: Option<u64>,
    /// Patience ended before the log did.
    pub is_cut_short: bool,
}
