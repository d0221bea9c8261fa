//! Logs: history, search and what comes next, by number.

mod follow;
pub(crate) mod line;
mod search;
pub(crate) mod watcher;

pub use follow::LogFollower;

use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use line::{LogHits, LogLine, LogQuery, LogRange, LogStream};
use model::Timestamp;
use model::container::ContainerId;
use std::path::PathBuf;
use store::runs::Run;

/// The log of one container. Reading is by number, so that history and what comes
/// next join without gap or double.
#[derive(Debug, Clone)]
pub struct Logs {
    engine: Engine,
    id: ContainerId,
    dir: PathBuf,
}

impl Engine {
    pub fn logs(&self, id: &ContainerId) -> Result<Logs, EngineError> {
        self.inspect(id)?;
        Ok(Logs {
            engine: self.clone(),
            id: id.clone(),
            dir: self.inner.layout.container(id).log(),
        })
    }

    /// The runs of a container, oldest first: where the log of each begins.
    pub async fn runs(&self, id: &ContainerId) -> Result<Vec<Run>, EngineError> {
        Ok(store::runs::list(&mut *self.inner.database().read().await?, id).await?)
    }
}

impl Logs {
    /// The numbers that are kept.
    pub async fn range(&self) -> Result<LogRange, EngineError> {
        self.with_reader(|reader| {
            Ok(LogRange {
                first: reader.first_seq(),
                next: reader.next_seq(),
            })
        })
        .await
    }

    /// Up to `max` lines from number `from` on, or from the oldest kept one when
    /// that is gone. None means there are no more yet.
    pub async fn read(&self, from: u64, max: usize) -> Result<Vec<LogLine>, EngineError> {
        self.with_reader(move |reader| reader.records(from, max))
            .await
            .map(lines)
    }

    /// The newest `max` lines before number `before`, oldest first.
    pub async fn read_before(&self, before: u64, max: usize) -> Result<Vec<LogLine>, EngineError> {
        self.with_reader(move |reader| reader.records_before(before, max))
            .await
            .map(lines)
    }

    /// The newest `max` lines, oldest first.
    pub async fn tail(&self, max: usize) -> Result<Vec<LogLine>, EngineError> {
        self.with_reader(move |reader| reader.tail(max)).await.map(lines)
    }

    /// The number of the first line written at `time` or later.
    pub async fn seq_at(&self, time: Timestamp) -> Result<u64, EngineError> {
        self.with_reader(move |reader| reader.seq_at_time(time)).await
    }

    /// Looks through what is kept. Ends early when the caller goes.
    pub async fn search(&self, query: LogQuery) -> Result<LogHits, EngineError> {
        search::search(self.dir.clone(), query).await
    }

    /// What is there from number `from` on, and what comes next. Ends when the
    /// container is removed.
    pub fn follow(&self, from: u64) -> Result<LogFollower, EngineError> {
        let view = self.engine.watch(&self.id)?;
        LogFollower::begin(&self.engine.inner.log_watcher, self.dir.clone(), from, view)
    }

    async fn with_reader<T, F>(&self, read: F) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: FnOnce(&mut log_store::Reader) -> Result<T, log_store::LogError> + Send + 'static,
    {
        let dir = self.dir.clone();
        blocking("read a log", move || {
            log_store::Reader::open(dir)
                .and_then(|mut reader| read(&mut reader))
                .doing(|| "read the log".to_owned())
        })
        .await
    }
}

fn lines(records: Vec<log_store::Record>) -> Vec<LogLine> {
    records.into_iter().map(line_of).collect()
}

fn line_of(record: log_store::Record) -> LogLine {
    LogLine {
        seq: record.seq,
        time: record.time,
        stream: match record.stream {
            log_store::Stream::Stdout => LogStream::Stdout,
            log_store::Stream::Stderr => LogStream::Stderr,
        },
        partial: record.partial,
        dropped: record.dropped,
        text: record.text,
    }
}
