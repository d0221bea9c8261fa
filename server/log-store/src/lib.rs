//! A container's log on disk: written by its shim, read by the server at the
//! same time, without a word between them.
//!
//! A log is a directory of segments. A segment is a file of lines in the CRI log
//! form (`TIME stream TAG text`), named by the number of its first record, so a
//! record's number (`seq`, from 1) is its file's first number plus its place in
//! the file: numbers never repeat and never skip. Beside a segment lies its
//! sparse index (`.index`: offset and time of every 256th record), which only
//! saves time: it may be missing, short or stale, and nothing but speed is lost.
//! A segment that is not written to any more may be packed (`.log.zst`); readers
//! see no difference.
//!
//! Invariants:
//! - Only a line that ends in a newline is a record. Readers never show, and a
//!   writer that opens the log removes, an unfinished one.
//! - A segment is complete before the next one exists.
//! - Records that could not be written are counted, and a marker record says how
//!   many as soon as something can be written again.
//!
//! The crate knows no container and no process; it does not follow (waiting for
//! more is the reader's caller's work, by inotify).
#![forbid(unsafe_code)]

mod bytes;
pub mod cri;
mod index;
mod lines;
mod packed;
mod reader;
mod segment;
mod writer;

pub use lines::{Lines, MAX_TEXT_BYTES};
pub use packed::pack_closed;
pub use reader::Reader;
pub use writer::{Options, Writer};

use model::Timestamp;
use std::io;
use std::path::PathBuf;

/// Which of the two output streams a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line, or one piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: u64,
    pub time: Timestamp,
    pub stream: Stream,
    /// No newline follows `text`: the line continues in the stream's next record,
    /// unless `end_of_stream` is set.
    pub partial: bool,
    /// The stream was closed after `text`, without a newline.
    pub end_of_stream: bool,
    /// This is no output but the marker for that many records that could not be
    /// written; `text` says so for people.
    pub dropped: Option<u64>,
    /// Without the newline; any bytes.
    pub text: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot {deed} `{path}`: {source}")]
    File {
        deed: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the log in `{0}` already has a writer; it may have one at a time")]
    Busy(PathBuf),
}

impl LogError {
    fn file(deed: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { deed, path, source }
    }

    fn is_not_found(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
