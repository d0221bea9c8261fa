//! Where the viewer's lines come from. The viewer knows no server: whoever
//! shows a log hands it these functions.

use super::window::Line;
use crate::table::Table;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>>>>;

/// Lines from one read, with the bounds of the log at that moment.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub lines: Vec<Line>,
    pub first: u64,
    pub next: u64,
    /// Sentences that belong before a line: where a run of the container began.
    pub marks: Table<u64, String>,
}

/// What a search over the whole log found.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    /// Line numbers, ascending; the first ones when there are more.
    pub seqs: Vec<u64>,
    pub total: u64,
    /// Not all of the log was searched: there may be more.
    pub incomplete: bool,
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
    /// Reads at most `count` lines from number `from` on.
    pub read: Rc<dyn Fn(u64, u64) -> Answer<Page>>,
    pub search: Rc<dyn Fn(Query) -> Answer<Hits>>,
    /// The number of the first line at or after a moment (milliseconds since 1970).
    pub at: Rc<dyn Fn(f64) -> Answer<u64>>,
    /// Calls back with every line from number `from` on.
    pub follow: Rc<dyn Fn(u64, Listener) -> Following>,
    /// The address that sends the log as a file.
    pub download: String,
    /// The address of this view with a line chosen.
    pub share: Rc<dyn Fn(u64) -> String>,
}
