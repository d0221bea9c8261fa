use super::line::{LogHit, LogHits, LogQuery, LogStream};
use super::line_of;
use crate::blocking::blocking;
use crate::error::{Doing, EngineError};
use log_store::{Reader, Record};
use regex::bytes::{Regex, RegexBuilder};
use std::path::PathBuf;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Lines looked through before the next look whether anybody still waits.
const CHUNK: u64 = 1024;
/// A pattern that would compile to more is refused.
const MOST_PATTERN_BYTES: usize = 1 << 20;
/// What one line shows of its matches.
const MOST_SPANS: usize = 64;

/// Searches on a blocking thread, which stops when the caller goes.
pub(super) async fn search(dir: PathBuf, query: LogQuery) -> Result<LogHits, EngineError> {
    let pattern = compile(&query)?;
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    blocking("search a log", move || {
        let mut reader = Reader::open(dir).doing(|| "open the log".to_owned())?;
        scan(&mut reader, &pattern, &query, &stop).doing(|| "search the log".to_owned())
    })
    .await
}

fn compile(query: &LogQuery) -> Result<Regex, EngineError> {
    let pattern = if query.regex {
        query.pattern.clone()
    } else {
        regex::escape(&query.pattern)
    };
    RegexBuilder::new(&pattern)
        .case_insensitive(query.ignore_case)
        .size_limit(MOST_PATTERN_BYTES)
        .dfa_size_limit(MOST_PATTERN_BYTES)
        .build()
        .map_err(|error| EngineError::invalid("pattern", error))
}

fn scan(
    reader: &mut Reader,
    pattern: &Regex,
    query: &LogQuery,
    stop: &CancellationToken,
) -> Result<LogHits, log_store::LogError> {
    let mut low = reader.first_seq();
    let mut high = reader.next_seq();
    if let Some(since) = query.since {
        low = low.max(reader.seq_at_time(since)?);
    }
    if let Some(until) = query.until {
        let after = model::Timestamp::from_unix_nanos(until.as_unix_nanos().saturating_add(1));
        high = high.min(reader.seq_at_time(after)?);
    }
    match query.from_seq {
        Some(from) if query.backwards => high = high.min(from.saturating_add(1)),
        Some(from) => low = low.max(from),
        None => {}
    }
    let mut found = LogHits::default();
    let end = query.patience.map(|patience| Instant::now() + patience);
    while low < high && !stop.is_cancelled() {
        if end.is_some_and(|end| Instant::now() >= end) {
            found.is_cut_short = true;
            break;
        }
        let count = (high - low).min(CHUNK);
        let from = if query.backwards { high - count } else { low };
        let mut records = read_all(reader, from, from + count)?;
        if query.backwards {
            records.reverse();
            high = from;
        } else {
            low = from + count;
        }
        for record in records {
            take(&mut found, pattern, query, record);
        }
    }
    Ok(found)
}

/// The records from `from` to the one before `to`. A read may bring fewer than it
/// was asked for, and begins later where the oldest are gone.
fn read_all(reader: &mut Reader, from: u64, to: u64) -> Result<Vec<Record>, log_store::LogError> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = from;
    while next < to {
        let more = reader.records(next, usize::try_from(to - next).unwrap_or(usize::MAX))?;
        let Some(last) = more.last() else { break };
        next = last.seq + 1;
        records.extend(more.into_iter().filter(|record| record.seq < to));
    }
    Ok(records)
}

fn take(found: &mut LogHits, pattern: &Regex, query: &LogQuery, record: Record) {
    found.scanned += 1;
    let stream = match record.stream {
        log_store::Stream::Stdout => LogStream::Stdout,
        log_store::Stream::Stderr => LogStream::Stderr,
    };
    if query.stream.is_some_and(|wanted| wanted != stream) || pattern.is_match(&record.text) == query.invert {
        return;
    }
    found.total += 1;
    if found.hits.len() < query.limit {
        let spans = if query.invert {
            Vec::new()
        } else {
            let matches = pattern.find_iter(&record.text).filter(|found| !found.is_empty());
            matches
                .take(MOST_SPANS)
                .map(|found| (found.start(), found.end()))
                .collect()
        };
        found.hits.push(LogHit {
            line: line_of(record),
            spans,
        });
    } else if found.next_seq.is_none() {
        found.next_seq = Some(record.seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log_store::{Options, Writer};
    use model::Timestamp;

    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(
            dir.path(),
            Options {
                segment_bytes: 64 << 10,
                segments: 100,
            },
        )
        .unwrap();
        for number in 0..10_000i64 {
            let text = format!("line {number} of many");
            let time = Timestamp::from_unix_nanos(number * 1_000_000_000);
            writer.append(time, log_store::Stream::Stdout, text.as_bytes(), false);
        }
        writer.finish().unwrap();
        dir
    }

    fn query(pattern: &str) -> LogQuery {
        LogQuery {
            pattern: pattern.to_owned(),
            regex: false,
            ignore_case: true,
            invert: false,
            stream: None,
            since: None,
            until: None,
            from_seq: None,
            backwards: false,
            limit: 3,
            patience: None,
        }
    }

    #[tokio::test]
    async fn all_hits_are_counted_and_the_first_are_shown() {
        let dir = log();
        let found = search(dir.path().to_owned(), query("LINE 99")).await.unwrap();
        assert_eq!((found.total, found.scanned), (111, 10_000));
        assert_eq!(found.hits[0].line.seq, 100);
        assert_eq!(found.hits[0].spans, [(0, 7)]);
        assert_eq!(found.next_seq, Some(993));
    }

    #[tokio::test]
    async fn a_search_backwards_begins_at_the_end() {
        let dir = log();
        let asked = LogQuery {
            regex: true,
            backwards: true,
            pattern: "^line [0-9]*7 ".to_owned(),
            ..query("")
        };
        let found = search(dir.path().to_owned(), asked).await.unwrap();
        assert_eq!(found.hits[0].line.seq, 9998);
        assert_eq!(found.total, 1000);
    }

    #[tokio::test]
    async fn a_search_without_time_says_that_it_did_not_see_all() {
        let dir = log();
        let asked = LogQuery {
            patience: Some(std::time::Duration::ZERO),
            ..query("line")
        };
        let found = search(dir.path().to_owned(), asked).await.unwrap();
        assert!(found.is_cut_short);
        assert_eq!(found.scanned, 0);
        assert!(!search(dir.path().to_owned(), query("line")).await.unwrap().is_cut_short);
    }

    #[tokio::test]
    async fn a_pattern_that_is_none_is_the_callers_mistake() {
        let dir = log();
        let asked = LogQuery {
            regex: true,
            ..query("(")
        };
        let error = search(dir.path().to_owned(), asked).await.unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Invalid);
    }
}
