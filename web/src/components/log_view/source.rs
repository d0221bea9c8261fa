//! Where the viewer's lines come from. The viewer knows no server: whoever
//! shows a log hands it these functions.

use super::window::Line;
use crate::table::Table;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>>>>;

/// A sentence that belongs before a line: where a run of the container began. The moment is
/// shown in the time zone chosen for the lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    pub begin: String,
    /// Milliseconds since 1970.
    pub at_ms: Option<f64>,
    pub end: String,
}

/// By the numbers of the lines they stand before.
pub type Marks = Table<u64, Mark>;

/// Lines from one read, with the bounds of the log at that moment.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub lines: Vec<Line>,
    pub first: u64,
    pub next: u64,
    /// All lines below this number were looked at.
    pub read_to: u64,
    pub marks: Marks,
}

/// Which of the lines found are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitRange {
    /// The first ones after so many.
    Skip(u64),
    /// The first ones at or after a number.
    From(u64),
    /// The last ones before a number.
    Before(u64),
}

/// Which lines found are wanted, how many of them, and whether all are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HitsWanted {
    pub range: HitRange,
    pub max: u64,
    pub count: bool,
}

/// What a search over the whole log found.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    /// Line numbers, ascending.
    pub seqs: Vec<u64>,
    /// How many lines found come before the first of them.
    pub rank: u64,
    pub total: u64,
    /// Not all of the log was searched: there may be more.
    pub incomplete: bool,
}

/// Which streams are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    Both,
    Stdout,
    Stderr,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pub text: String,
    pub regex: bool,
    pub case_sensitive: bool,
}

/// News of a followed log.
#[derive(Debug, Clone)]
pub enum News {
    Lines(Vec<Line>),
    /// Another run of the container began.
    Marks(Marks),
    /// Lines were skipped because this reader was too slow; they can be read later.
    Gap(u64),
    /// Everything held is out of date.
    Reset,
}

/// Hears news of a followed log.
pub type Listener = Rc<dyn Fn(News)>;

/// Keeps following until it is dropped.
pub type Following = Box<dyn std::any::Any>;

/// The log's functions.
#[derive(Clone)]
pub struct Source {
    /// Reads the last `count` lines.
    pub tail: Rc<dyn Fn(u64) -> Answer<Page>>,
    /// Reads lines from a number to the one before another.
    pub read: Rc<dyn Fn(u64, u64) -> Answer<Page>>,
    /// Reads the text of all lines from a number to another, as it was written.
    pub text: Rc<dyn Fn(u64, u64, Streams) -> Answer<String>>,
    pub search: Rc<dyn Fn(Query, HitsWanted) -> Answer<Hits>>,
    /// The number of the first line at or after a moment (milliseconds since 1970).
    pub at: Rc<dyn Fn(f64) -> Answer<u64>>,
    /// Calls back with the lines from number `from` on; where they come faster than a
    /// screen shows them, with the newest.
    pub follow: Rc<dyn Fn(u64, Listener) -> Following>,
    /// The address that sends the log as a file.
    pub download: String,
    /// The address of this view with a line chosen.
    pub share: Rc<dyn Fn(u64) -> String>,
}
