//! Searching a whole log.
//!
//! What is searched is the text as a terminal shows it. Most logs hold no control
//! characters: then plain text is looked for in blocks of a MiB, encoded as they are on the
//! disk, and only what is found is read as lines.

use super::join::LineJoiner;
use super::line::{HitRange, LogHits, LogLine, LogQuery, LogStream};
use crate::blocking::blocking;
use crate::error::{Doing, EngineError};
use log_store::{LogError, Reader, cri};
use memchr::memmem;
use model::{Timestamp, terminal};
use regex::bytes::{Regex, RegexBuilder};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// A pattern that would compile to more is refused.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// How many records a search backwards begins with, and how many it takes at once at most.
const FIRST_STEP: u64 = 8 << 10;
const LAST_STEP: u64 = 512 << 10;

/// Searches on a blocking thread, which stops when the caller goes.
pub(super) async fn search(dir: PathBuf, query: LogQuery) -> Result<LogHits, EngineError> {
    let matcher = Matcher::new(&query)?;
    let stop = CancellationToken::new();
    let _stops_when_dropped = stop.clone().drop_guard();
    blocking("search a log", move || {
        let mut reader = Reader::open(dir).doing(|| "open the log".to_owned())?;
        let mut scan = Scan {
            matcher: &matcher,
            stop: &stop,
            end: query.patience.map(|patience| Instant::now() + patience),
            is_cut_short: false,
        };
        let hits = if query.count {
            counted(&mut reader, &mut scan, &query)
        } else {
            nearest(&mut reader, &mut scan, &query)
        };
        let mut hits = hits.doing(|| "search the log".to_owned())?;
        hits.is_cut_short = scan.is_cut_short;
        Ok(hits)
    })
    .await
}

/// Goes through the whole log.
fn counted(reader: &mut Reader, scan: &mut Scan<'_>, query: &LogQuery) -> Result<LogHits, LogError> {
    let mut total = 0;
    let mut rank = None;
    let mut seqs = VecDeque::new();
    scan.range(reader, 0, u64::MAX, |seq| {
        let is_wanted = match query.hits {
            HitRange::Skip(skipped) => total >= skipped,
            HitRange::From(from) => seq >= from,
            HitRange::Before(before) => seq < before,
        };
        if is_wanted {
            rank.get_or_insert(total);
            if seqs.len() < query.limit {
                seqs.push_back(seq);
            } else if matches!(query.hits, HitRange::Before(_)) {
                // The last ones are wanted.
                seqs.push_back(seq);
                seqs.pop_front();
                rank = rank.map(|rank| rank + 1);
            }
        }
        total += 1;
        ControlFlow::Continue(())
    })?;
    Ok(LogHits {
        seqs: seqs.into(),
        rank: Some(rank.unwrap_or(total)),
        total: Some(total),
        is_cut_short: false,
    })
}

/// Ends with the last hit that is wanted.
fn nearest(reader: &mut Reader, scan: &mut Scan<'_>, query: &LogQuery) -> Result<LogHits, LogError> {
    let mut seqs = Vec::new();
    match query.hits {
        HitRange::Before(before) => {
            let (mut high, mut step) = (before.min(reader.next_seq()), FIRST_STEP);
            while high > reader.first_seq() && seqs.len() < query.limit && !scan.is_over() {
                let low = high.saturating_sub(step).max(reader.first_seq());
                let mut found = Vec::new();
                scan.range(reader, low, high, |seq| {
                    found.push(seq);
                    ControlFlow::Continue(())
                })?;
                let surplus = found.len().saturating_sub(query.limit - seqs.len());
                seqs.splice(0..0, found.drain(surplus..));
                (high, step) = (low, (step * 4).min(LAST_STEP));
            }
        }
        HitRange::From(_) | HitRange::Skip(_) if query.limit == 0 => {}
        HitRange::From(_) | HitRange::Skip(_) => {
            let (from, mut skipped) = match query.hits {
                HitRange::Skip(skipped) => (0, skipped),
                HitRange::From(from) | HitRange::Before(from) => (from, 0),
            };
            scan.range(reader, from, u64::MAX, |seq| {
                if skipped > 0 {
                    skipped -= 1;
                    return ControlFlow::Continue(());
                }
                seqs.push(seq);
                if seqs.len() == query.limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
    }
    Ok(LogHits {
        seqs,
        ..LogHits::default()
    })
}

struct Scan<'a> {
    matcher: &'a Matcher,
    stop: &'a CancellationToken,
    end: Option<Instant>,
    is_cut_short: bool,
}

impl Scan<'_> {
    /// Whether nobody waits any more, or not for longer.
    fn is_over(&mut self) -> bool {
        self.is_cut_short |= self.end.is_some_and(|end| Instant::now() >= end);
        self.is_cut_short || self.stop.is_cancelled()
    }

    /// Gives the numbers of matching lines, ascending.
    fn range(
        &mut self,
        reader: &mut Reader,
        low: u64,
        high: u64,
        mut hit: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let mut joiner = LineJoiner::before(reader, low)?;
        let mut ended = ControlFlow::Continue(());
        let next = reader.scan(low, high, |first, block| {
            if self.is_over() {
                ended = ControlFlow::Break(());
            } else if joiner.is_empty() && self.matcher.takes_block(block) {
                ended = self.matcher.block(first, block, &mut hit);
            } else {
                ended = self.matcher.lines(first, block, &mut joiner, &mut hit);
            }
            ended
        })?;
        if ended.is_continue() && next >= reader.next_seq() {
            // Lines at the log's end that have no newline yet.
            for line in joiner.unfinished() {
                if line.seq >= low && self.matcher.line(&line) && hit(line.seq).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }
}

struct Matcher {
    pattern: Regex,
    stream: Option<LogStream>,
    /// Whether the pattern can be looked for in many lines at once.
    is_text: bool,
    pieces: [memmem::Finder<'static>; 3],
}

impl Matcher {
    fn new(query: &LogQuery) -> Result<Self, EngineError> {
        let pattern = if query.regex {
            query.pattern.clone()
        } else {
            regex::escape(&query.pattern)
        };
        let pattern = RegexBuilder::new(&pattern)
            .case_insensitive(query.ignore_case)
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES)
            .build()
            .map_err(|error| EngineError::invalid("pattern", error))?;
        let is_text = !query.regex && !query.pattern.is_empty() && !query.pattern.contains(char::is_control);
        Ok(Self {
            pattern,
            stream: query.stream,
            is_text,
            pieces: [" stdout P", " stderr P", " stderr F:"].map(memmem::Finder::new),
        })
    }

    /// Whether every record of the block is a line that is shown as it is.
    // Without branches, so that the compiler uses vector instructions.
    #[allow(clippy::needless_bitwise_bool)]
    fn takes_block(&self, block: &[u8]) -> bool {
        self.is_text
            && !block.iter().fold(false, |found, byte| {
                found | ((*byte < b' ') & (*byte != b'\n') & (*byte != b'\t')) | (*byte >= 0x7F)
            })
            && self.pieces.iter().all(|tags| tags.find(block).is_none())
    }

    fn block(&self, first: u64, block: &[u8], hit: &mut impl FnMut(u64) -> ControlFlow<()>) -> ControlFlow<()> {
        let (mut seq, mut counted, mut at) = (first, 0, 0);
        while let Some(found) = self.pattern.find_at(block, at) {
            let begin = memchr::memrchr(b'\n', &block[..found.start()]).map_or(0, |newline| newline + 1);
            let rest = &block[found.start()..];
            let end = found.start() + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let record = cri::parse_raw(&block[begin..end]);
            // It may have been found in the time, or in the name of the stream.
            let is_hit = found.start() >= end - record.text.len() || self.pattern.is_match(record.text);
            if is_hit && self.takes(stream_of(record.stream)) {
                seq += memchr::memchr_iter(b'\n', &block[counted..begin]).count() as u64;
                counted = begin;
                hit(seq)?;
            }
            at = end + 1;
            if at >= block.len() {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    fn lines(
        &self,
        first: u64,
        block: &[u8],
        joiner: &mut LineJoiner,
        hit: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut begin = 0;
        for (seq, newline) in (first..).zip(memchr::memchr_iter(b'\n', block)) {
            let record = cri::parse_raw(&block[begin..newline]);
            begin = newline + 1;
            let stream = stream_of(record.stream);
            if record.dropped || !self.takes(stream) {
                continue;
            }
            let is_hit = if record.partial || joiner.awaits(stream) {
                joiner
                    .push(LogLine {
                        seq,
                        first_seq: seq,
                        time: Timestamp::default(),
                        stream,
                        partial: record.partial,
                        end_of_stream: record.end_of_stream,
                        dropped: None,
                        text: record.text.to_vec(),
                    })
                    .is_some_and(|line| self.text(&line.text))
            } else {
                self.text(record.text)
            };
            if is_hit {
                hit(seq)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn line(&self, line: &LogLine) -> bool {
        self.takes(line.stream) && self.text(&line.text)
    }

    fn takes(&self, stream: LogStream) -> bool {
        self.stream.is_none_or(|wanted| wanted == stream)
    }

    fn text(&self, text: &[u8]) -> bool {
        if terminal::is_plain(text) {
            return self.pattern.is_match(text);
        }
        let text = String::from_utf8_lossy(text);
        self.pattern.is_match(terminal::text(&text).as_bytes())
    }
}

fn stream_of(stream: log_store::Stream) -> LogStream {
    match stream {
        log_store::Stream::Stdout => LogStream::Stdout,
        log_store::Stream::Stderr => LogStream::Stderr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log_store::{Options, Stream, Writer};

    const OPTIONS: Options = Options {
        segment_bytes: 64 << 10,
        segments: 100,
    };

    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), OPTIONS).unwrap();
        for number in 0..10_000i64 {
            let text = format!("line {number} of many");
            let time = Timestamp::from_unix_nanos(number * 1_000_000_000);
            writer.append(time, Stream::Stdout, text.as_bytes(), false);
        }
        writer.finish().unwrap();
        dir
    }

    fn query(pattern: &str) -> LogQuery {
        LogQuery {
            pattern: pattern.to_owned(),
            regex: false,
            ignore_case: true,
            stream: None,
            hits: HitRange::Skip(0),
            limit: 3,
            count: true,
            patience: None,
        }
    }

    fn regex(pattern: &str) -> LogQuery {
        LogQuery {
            regex: true,
            ..query(pattern)
        }
    }

    async fn found(dir: &tempfile::TempDir, query: LogQuery) -> LogHits {
        search(dir.path().to_owned(), query).await.unwrap()
    }

    #[tokio::test]
    async fn all_hits_are_counted_and_those_wanted_are_given() {
        let dir = log();
        for (hits, seqs, rank) in [
            (HitRange::Skip(0), [100, 991, 992], 0),
            (HitRange::Skip(108), [9998, 9999, 10000], 108),
            (HitRange::From(500), [991, 992, 993], 1),
            (HitRange::From(9999), [9999, 10000, 0], 109),
            (HitRange::Before(992), [100, 991, 0], 0),
            (HitRange::Before(u64::MAX), [9998, 9999, 10000], 108),
        ] {
            for count in [true, false] {
                let asked = LogQuery {
                    hits,
                    count,
                    ..query("LINE 99")
                };
                let found = found(&dir, asked).await;
                let seqs: Vec<u64> = seqs.into_iter().filter(|seq| *seq > 0).collect();
                assert_eq!(found.seqs, seqs, "{hits:?} {count}");
                assert_eq!(found.total, count.then_some(111));
                assert_eq!(found.rank, count.then_some(rank), "{hits:?}");
            }
        }
    }

    #[tokio::test]
    async fn time_and_stream_are_not_searched() {
        let dir = log();
        for pattern in ["stdout", "1970-01", "Z stdout F line"] {
            assert_eq!(found(&dir, query(pattern)).await.total, Some(0), "{pattern}");
        }
        // The time has it as well as the text.
        assert_eq!(
            found(&dir, query("00")).await.total,
            found(&dir, regex("00")).await.total
        );
        assert_eq!(found(&dir, regex("^line [0-9]*7 ")).await.total, Some(1000));
    }

    #[tokio::test]
    async fn a_search_without_time_says_that_it_did_not_see_all() {
        let dir = log();
        let asked = LogQuery {
            patience: Some(std::time::Duration::ZERO),
            ..query("line")
        };
        let hits = found(&dir, asked).await;
        assert!(hits.is_cut_short && hits.seqs.is_empty());
        assert!(!found(&dir, query("line")).await.is_cut_short);
    }

    #[tokio::test]
    async fn a_pattern_that_is_none_is_the_callers_mistake() {
        let dir = log();
        let error = search(dir.path().to_owned(), regex("(")).await.unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Invalid);
    }

    #[tokio::test]
    async fn what_is_shown_is_searched() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), OPTIONS).unwrap();
        let lines = [
            "\x1b[31merror\x1b[0m: disk full",
            "all done\r",
            "10 %\r50 %\r100 %",
            "größe: 大",
            "\x1b(0q\x1b(B",
        ];
        for line in lines {
            writer.append(Timestamp::default(), Stream::Stdout, line.as_bytes(), false);
        }
        writer.append(Timestamp::default(), Stream::Stdout, b"caf\xe9 noir", false);
        writer.finish().unwrap();
        for (asked, seqs) in [
            (query("error: disk"), vec![1]),
            (query("31m"), vec![]),
            (regex("done$"), vec![2]),
            (regex("full$"), vec![1]),
            (query("50 %"), vec![]),
            (regex("^100 %$"), vec![3]),
            (query("GRÖSSE"), vec![]),
            (query("GRÖßE: 大"), vec![4]),
            (query("─"), vec![5]),
            (query("\u{fffd} noir"), vec![6]),
        ] {
            let pattern = asked.pattern.clone();
            assert_eq!(found(&dir, asked).await.seqs, seqs, "{pattern}");
        }
    }

    #[tokio::test]
    async fn a_long_line_is_searched_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), OPTIONS).unwrap();
        writer.append(Timestamp::default(), Stream::Stdout, b"begin nee", true);
        writer.append(Timestamp::default(), Stream::Stderr, b"between", false);
        writer.append(Timestamp::default(), Stream::Stdout, b"dle end", false);
        writer.append(Timestamp::default(), Stream::Stdout, b"unfinished nee", true);
        writer.append(Timestamp::default(), Stream::Stdout, b"dle", true);
        writer.finish().unwrap();
        assert_eq!(found(&dir, query("needle")).await.seqs, [3, 5]);
        assert_eq!(found(&dir, regex("^begin.*end$")).await.seqs, [3]);
        let from_the_middle = LogQuery {
            hits: HitRange::From(3),
            count: false,
            ..query("needle")
        };
        assert_eq!(found(&dir, from_the_middle).await.seqs, [3, 5]);
    }
}
