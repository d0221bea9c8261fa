use model::Timestamp;
use std::time::Duration;

/// A record of a container's log, or several joined to a line. Numbers never repeat and
/// never skip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The number of its last record.
    pub seq: u64,
    /// The number of its first record: another one only in joined lines.
    pub first_seq: u64,
    /// When its last record was written.
    pub time: Timestamp,
    pub stream: LogStream,
    /// No newline follows: the next record of this stream continues the line, unless
    /// `end_of_stream` is set.
    pub partial: bool,
    /// The stream was closed after this text, without a newline.
    pub end_of_stream: bool,
    /// This is no output but the engine's mark for that many lines that could not be written.
    pub dropped: Option<u64>,
    /// Bytes as they were written, without the newline.
    pub text: Vec<u8>,
}

impl LogLine {
    /// Whether the stream's next record begins another line.
    pub fn ends(&self) -> bool {
        !self.partial || self.end_of_stream
    }

    pub(super) fn joined(mut self, next: Self) -> Self {
        self.text.extend_from_slice(&next.text);
        Self {
            first_seq: self.first_seq,
            text: self.text,
            ..next
        }
    }
}

/// Some lines, and where to read on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// All lines below this number were looked at.
    pub next: u64,
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

/// What is searched for, in the text as a terminal shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    pub pattern: String,
    /// A regular expression, else plain text.
    pub regex: bool,
    pub ignore_case: bool,
    /// `None` is both.
    pub stream: Option<LogStream>,
    pub hits: HitRange,
    /// Gives this many hits.
    pub limit: usize,
    /// Counts all hits; else ends with the last one that is given.
    pub count: bool,
    /// Stops after this long with what it has.
    pub patience: Option<Duration>,
}

/// Which of the hits are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitRange {
    /// The first ones after so many.
    Skip(u64),
    /// The first ones at or after a number.
    From(u64),
    /// The last ones before a number.
    Before(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogHits {
    /// Numbers of matching lines, ascending.
    pub seqs: Vec<u64>,
    /// How many hits there are before the first of `seqs`; `None` where they were not counted.
    pub rank: Option<u64>,
    /// Matching lines in the whole log; `None` where they were not counted.
    pub total: Option<u64>,
    /// Patience ended before the log did: there may be more.
    pub is_cut_short: bool,
}
