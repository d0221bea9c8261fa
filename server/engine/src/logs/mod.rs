//! Logs: history, search and what comes next, by number.

mod follow;
mod join;
pub(crate) mod line;
mod search;
pub(crate) mod watcher;

pub use follow::LogFollower;
pub use join::LineJoiner;

use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use line::{LogHits, LogLine, LogPage, LogQuery, LogRange, LogStream};
use model::Timestamp;
use model::container::ContainerId;
use std::path::PathBuf;
use store::runs::Run;

/// Records read at once.
const RECORDS: usize = 1000;
/// About as much text as one answer holds, however many lines were asked for.
const ANSWER_BYTES: usize = 8 << 20;

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

    /// Up to `max` whole lines from record `from` to the one before `before`. Fewer may come
    /// when they are long. A line belongs where its last record is. What the log's last
    /// lines have without an end is given too.
    pub async fn lines(&self, from: u64, before: u64, max: usize) -> Result<LogPage, EngineError> {
        self.with_reader(move |reader| joined(reader, from, before, max)).await
    }

    /// The newest `max` whole lines, oldest first. Fewer may come when they are long.
    pub async fn tail(&self, max: usize) -> Result<Vec<LogLine>, EngineError> {
        self.with_reader(move |reader| last_joined(reader, max)).await
    }

    /// Joins the records that follow from number `from` on to the beginnings of their lines.
    pub async fn joiner(&self, from: u64) -> Result<LineJoiner, EngineError> {
        self.with_reader(move |reader| LineJoiner::before(reader, from)).await
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

fn joined(reader: &mut log_store::Reader, from: u64, before: u64, max: usize) -> Result<LogPage, log_store::LogError> {
    let mut next = from.max(reader.first_seq());
    let mut joiner = LineJoiner::before(reader, next)?;
    let mut lines = Vec::new();
    let mut bytes = 0;
    while next < before && lines.len() < max && bytes < ANSWER_BYTES {
        let wanted = usize::try_from(before - next).unwrap_or(usize::MAX).min(RECORDS);
        let records = reader.records(next, wanted)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            if lines.len() == max || record.seq >= before {
                break;
            }
            next = record.seq + 1;
            bytes += record.text.len();
            lines.extend(joiner.push(line_of(record)));
        }
    }
    if next >= reader.next_seq() {
        // The log's last lines may have no newline yet, or never get one.
        lines.extend(joiner.unfinished().into_iter().filter(|line| line.seq >= from));
    }
    Ok(LogPage { lines, next })
}

fn last_joined(reader: &mut log_store::Reader, max: usize) -> Result<Vec<LogLine>, log_store::LogError> {
    reader.refresh()?;
    let end = reader.next_seq();
    let (mut from, mut found, mut bytes) = (end, 0, 0);
    // One more, since the records before the first line wanted may be the end of another.
    while from > reader.first_seq() && found <= max && bytes < ANSWER_BYTES {
        let records = reader.records_before(from, (max + 1).min(RECORDS))?;
        let Some(first) = records.first() else { break };
        from = first.seq;
        for record in &records {
            found += usize::from(!record.partial || record.end_of_stream);
            bytes += record.text.len();
        }
    }
    let mut joiner = LineJoiner::before(reader, from)?;
    let mut lines = Vec::new();
    while from < end {
        let records = reader.records(from, RECORDS)?;
        let Some(last) = records.last() else { break };
        from = last.seq + 1;
        lines.extend(
            records
                .into_iter()
                .filter(|record| record.seq < end)
                .filter_map(|record| joiner.push(line_of(record))),
        );
    }
    lines.extend(joiner.unfinished());
    let surplus = lines.len().saturating_sub(max);
    lines.drain(..surplus);
    Ok(lines)
}

fn lines(records: Vec<log_store::Record>) -> Vec<LogLine> {
    records.into_iter().map(line_of).collect()
}

fn line_of(record: log_store::Record) -> LogLine {
    LogLine {
        seq: record.seq,
        first_seq: record.seq,
        time: record.time,
        stream: match record.stream {
            log_store::Stream::Stdout => LogStream::Stdout,
            log_store::Stream::Stderr => LogStream::Stderr,
        },
        partial: record.partial,
        end_of_stream: record.end_of_stream,
        dropped: record.dropped,
        text: record.text,
    }
}
