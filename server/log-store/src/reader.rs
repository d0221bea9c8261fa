//! Reads records by number, while a writer may be adding more.

mod scan;

use crate::bytes::{self, Bytes};
use crate::index::Index;
use crate::{LogError, Record, cri, segment};
use model::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// About as much text as one answer holds, however many records were asked for.
const ANSWER_BYTES: usize = 8 << 20;
/// An answer takes this long a way through a file at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Growth from which on the index file is asked before the lines are counted.
const WORTH_INDEX_BYTES: u64 = 256 << 10;

/// A view of a log. It knows what was there at the last [`Reader::refresh`];
/// reading past that refreshes by itself.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    segments: Vec<Segment>,
    /// The file last read, and where in it the next record begins: reading on
    /// costs no search.
    open: Option<(u64, Arc<dyn Bytes>)>,
    cursor: Option<Cursor>,
}

#[derive(Debug)]
struct Segment {
    first: u64,
    index: Index,
    /// Whether the index file was read.
    loaded: bool,
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    seq: u64,
    segment: u64,
    offset: u64,
}

impl Reader {
    /// A log that was never written is an empty one.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LogError> {
        let mut reader = Self {
            dir: dir.into(),
            segments: Vec::new(),
            open: None,
            cursor: None,
        };
        reader.refresh()?;
        Ok(reader)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The oldest record kept; equal to [`Reader::next_seq`] when there is none.
    pub fn first_seq(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.first)
    }

    /// One more than the newest record.
    pub fn next_seq(&self) -> u64 {
        self.segments
            .last()
            .map_or(1, |segment| segment.first + segment.index.count)
    }

    /// Looks for new records and segments.
    pub fn refresh(&mut self) -> Result<(), LogError> {
        loop {
            self.list()?;
            let Some(last) = self.segments.last() else {
                return Ok(());
            };
            let first = last.first;
            // The list was made before the last segment is counted, so a segment
            // that follows is complete or not known yet; never half of both.
            match self.count_last(first) {
                // Removed since it was listed: newer ones exist.
                Err(error) if error.is_not_found() => {}
                outcome => return outcome,
            }
        }
    }

    /// Up to `max` records from number `from` on, or from the oldest kept one if
    /// that is gone. Fewer may come when they are large; none means there are no more.
    pub fn records(&mut self, from: u64, max: usize) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut next = from;
        let mut fresh = false;
        while records.len() < max && bytes < ANSWER_BYTES {
            next = next.max(self.first_seq());
            let limit = if next < self.next_seq() {
                self.read_segment(next, max, &mut records, &mut bytes)
            } else if fresh || !records.is_empty() {
                break;
            } else {
                fresh = true;
                self.refresh().map(|()| 0)
            };
            match limit {
                Ok(read) => next += read,
                // Rotated away while we were at it.
                Err(error) if error.is_not_found() => self.refresh()?,
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// The newest `max` records before number `before`, oldest first.
    pub fn records_before(&mut self, before: u64, max: usize) -> Result<Vec<Record>, LogError> {
        let before = before.min(self.next_seq());
        let from = before.saturating_sub(max as u64).max(self.first_seq());
        let count = usize::try_from(before.saturating_sub(from)).unwrap_or(max);
        self.records(from, count.min(max))
    }

    /// The newest `max` records, oldest first.
    pub fn tail(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        self.refresh()?;
        self.records_before(self.next_seq(), max)
    }

    /// The number of the first record written at `time` or later;
    /// [`Reader::next_seq`] when there is none yet. Times are taken to grow; where
    /// the host's clock was set back, an answer near the jump.
    pub fn seq_at_time(&mut self, time: Timestamp) -> Result<u64, LogError> {
        self.refresh()?;
        loop {
            match self.find_time(time) {
                Err(error) if error.is_not_found() => self.refresh()?,
                outcome => return outcome,
            }
        }
    }

    fn list(&mut self) -> Result<(), LogError> {
        let firsts = segment::list(&self.dir)?;
        let mut old = std::mem::take(&mut self.segments).into_iter().peekable();
        for first in firsts {
            while old.next_if(|segment| segment.first < first).is_some() {}
            let known = old.next_if(|segment| segment.first == first);
            self.segments.push(known.unwrap_or_else(|| Segment {
                first,
                index: Index::default(),
                loaded: false,
            }));
        }
        Ok(())
    }

    fn count_last(&mut self, first: u64) -> Result<(), LogError> {
        let log = self.file(first)?;
        let path = segment::log_path(&self.dir, first);
        let size = log.size().map_err(LogError::file("read", &path))?;
        let segment = self.segments.last_mut().expect("the caller found it");
        if size == segment.index.end {
            return Ok(());
        }
        if size.saturating_sub(segment.index.end) > WORTH_INDEX_BYTES {
            let index_path = segment::index_path(&self.dir, first);
            segment
                .index
                .load(&index_path, &*log)
                .map_err(LogError::file("read", index_path))?;
        }
        segment
            .index
            .advance(&*log, u64::MAX)
            .map_err(LogError::file("read", path))
    }

    /// Where in `segments` the segment of record `seq` is, and how many records it
    /// has.
    fn segment_of(&self, seq: u64) -> (usize, u64) {
        let at = self.segments.partition_point(|segment| segment.first <= seq) - 1;
        let segment = &self.segments[at];
        let count = match self.segments.get(at + 1) {
            Some(next) => next.first - segment.first,
            None => segment.index.count,
        };
        (at, count)
    }

    /// Reads from `seq`, which exists, to the end of its segment at most; tells
    /// how many records were passed.
    fn read_segment(
        &mut self,
        seq: u64,
        max: usize,
        records: &mut Vec<Record>,
        bytes: &mut usize,
    ) -> Result<u64, LogError> {
        let (at, count) = self.segment_of(seq);
        let first = self.segments[at].first;
        let log = self.file(first)?;
        let path = segment::log_path(&self.dir, first);
        let mut offset = match self.cursor {
            Some(cursor) if cursor.seq == seq && cursor.segment == first => cursor.offset,
            _ => self.locate(at, &*log, seq - first)?,
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut next = seq;
        let end = first + count;
        while next < end && records.len() < max && *bytes < ANSWER_BYTES {
            let length = log.read_at(&mut chunk, offset).map_err(LogError::file("read", &path))?;
            let mut begin = 0;
            for newline in memchr::memchr_iter(b'\n', &chunk[..length]) {
                if next == end || records.len() == max {
                    break;
                }
                records.push(cri::parse(next, &chunk[begin..newline]));
                *bytes += newline - begin;
                next += 1;
                begin = newline + 1;
            }
            offset += begin as u64;
            if begin == 0 {
                if length < chunk.len() {
                    // Shorter than its name and its successor's promise: somebody
                    // cut the file. The missing numbers are passed over.
                    next = end;
                }
                chunk.resize(chunk.len() * 2, 0);
            }
        }
        self.cursor = Some(Cursor {
            seq: next,
            segment: first,
            offset,
        });
        Ok(next - seq)
    }

    fn locate(&mut self, at: usize, log: &dyn Bytes, place: u64) -> Result<u64, LogError> {
        let Self { dir, segments, .. } = self;
        let segment = &mut segments[at];
        segment.complete_index(dir, log, place)?;
        let path = segment::log_path(dir, segment.first);
        segment.index.locate(log, place).map_err(LogError::file("read", path))
    }

    fn find_time(&mut self, time: Timestamp) -> Result<u64, LogError> {
        // The last segment that begins before `time` holds the border, if any does.
        let mut low = 0;
        let mut high = self.segments.len();
        while low < high {
            let middle = low.midpoint(high);
            if self.begin_time(self.segments[middle].first)? < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(at) = low.checked_sub(1) else {
            return Ok(self.first_seq());
        };
        let first = self.segments[at].first;
        let (_, count) = self.segment_of(first);
        let log = self.file(first)?;
        self.segments[at].complete_index(&self.dir, &*log, count)?;
        let entries = &self.segments[at].index.entries;
        let nearest = entries.partition_point(|entry| entry.time < time).saturating_sub(1);
        let mut seq = first + nearest as u64 * crate::index::STRIDE;
        let end = first + count;
        while seq < end {
            let records = self.records(seq, 64)?;
            let Some(last) = records.last() else { break };
            if let Some(found) = records.iter().find(|record| record.time >= time) {
                return Ok(found.seq.min(end));
            }
            seq = last.seq + 1;
        }
        Ok(end)
    }

    fn begin_time(&mut self, first: u64) -> Result<Timestamp, LogError> {
        let log = self.file(first)?;
        let mut bytes = [0; 64];
        let length = log
            .read_at(&mut bytes, 0)
            .map_err(LogError::file("read", segment::log_path(&self.dir, first)))?;
        Ok(cri::time_of(&bytes[..length]).unwrap_or_default())
    }

    /// The segment's bytes; those of the last one used stay at hand.
    fn file(&mut self, first: u64) -> Result<Arc<dyn Bytes>, LogError> {
        if let Some((open, bytes)) = &self.open
            && *open == first
        {
            return Ok(bytes.clone());
        }
        let bytes = bytes::open(&self.dir, first)?;
        self.open = Some((first, bytes.clone()));
        Ok(bytes)
    }
}

impl Segment {
    /// Makes the index reach `place`.
    fn complete_index(&mut self, dir: &Path, log: &dyn Bytes, place: u64) -> Result<(), LogError> {
        if self.index.count >= place {
            return Ok(());
        }
        if !self.loaded {
            self.loaded = true;
            let path = segment::index_path(dir, self.first);
            self.index.load(&path, log).map_err(LogError::file("read", path))?;
        }
        let path = segment::log_path(dir, self.first);
        self.index.advance(log, place).map_err(LogError::file("read", path))
    }
}
