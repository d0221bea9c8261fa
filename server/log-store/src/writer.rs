//! Appends records.

use crate::cri::Encoder;
use crate::index::{self, Entry, Index, STRIDE};
use crate::{LogError, Stream, segment};
use model::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use sys::lock_file::Held;

/// When a batch is written even though nobody asked yet.
const BATCH_BYTES: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A segment that would grow beyond this is closed and a new one begun.
    pub segment_bytes: u64,
    /// The oldest segments are removed when there are more; at least 1.
    pub segments: u32,
}

/// The one writer of a log. Records are collected by [`Writer::append`] and go to
/// the file in one piece by [`Writer::commit`]. What cannot be written is dropped
/// and counted, never held against the caller: a full disk must not stop the
/// container's output from being read.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    /// Holds the lock that makes this the only writer.
    _lock: Held,
    options: Options,
    encoder: Encoder,
    /// Complete lines not yet written.
    batch: Vec<u8>,
    /// Where in the batch index entries begin, with their times.
    batch_records: u64,
    batch_entries: Vec<Entry>,
    current: Option<Current>,
    next_seq: u64,
    /// Whether anything was written that [`Writer::finish`] has to see to disk.
    written: bool,
    /// Whether a segment was closed since [`Writer::take_closed`] was asked.
    closed: bool,
    /// Dropped and not yet marked on disk.
    unmarked: u64,
    /// How many of them the marker at the head of the batch tells of.
    marker: u64,
    why: String,
    latest: Timestamp,
    dropped_total: u64,
}

/// The segment being written.
#[derive(Debug)]
struct Current {
    first: u64,
    log: File,
    index: Option<File>,
    bytes: u64,
    /// Entries not yet in the index file, which holds `indexed` ones.
    entries: Vec<Entry>,
    indexed: usize,
}

impl Writer {
    /// Opens the log in `dir`, making the directory if needed, and removes an
    /// unfinished last line that a crash left.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, LogError> {
        let dir = dir.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(LogError::file("create", &dir))?;
        let open = File::open(&dir).map_err(LogError::file("open", &dir))?;
        let Some(lock) = Held::try_take(open).map_err(LogError::file("lock", &dir))? else {
            return Err(LogError::Busy(dir));
        };
        let (current, next_seq) = match segment::list(&dir)?.last() {
            Some(first) => reopen(&dir, *first)?,
            None => (None, 1),
        };
        Ok(Self {
            dir,
            _lock: lock,
            options,
            encoder: Encoder::default(),
            batch: Vec::new(),
            batch_records: 0,
            batch_entries: Vec::new(),
            current,
            next_seq,
            written: false,
            closed: false,
            unmarked: 0,
            marker: 0,
            why: String::new(),
            latest: Timestamp::default(),
            dropped_total: 0,
        })
    }

    /// Adds a record, whose text must hold no newline, to the batch.
    pub fn append(&mut self, time: Timestamp, stream: Stream, text: &[u8], partial: bool) {
        self.prepare(time, text);
        self.encoder.record(&mut self.batch, time, stream, text, partial);
        self.batch_records += 1;
    }

    /// Adds the last record of a stream that was closed without a newline.
    pub fn append_last(&mut self, time: Timestamp, stream: Stream, text: &[u8]) {
        self.prepare(time, text);
        self.encoder.last(&mut self.batch, time, stream, text);
        self.batch_records += 1;
    }

    fn prepare(&mut self, time: Timestamp, text: &[u8]) {
        self.latest = time;
        self.mark();
        self.make_room(text.len() + 45);
        self.note_entry(time);
    }

    /// Counts records that the caller could not keep; the next one written is
    /// preceded by a marker.
    pub fn drop_records(&mut self, count: u64, time: Timestamp, why: &str) {
        self.latest = time;
        self.unmarked += count;
        self.dropped_total += count;
        if self.why != why {
            why.clone_into(&mut self.why);
        }
    }

    /// Writes the batch.
    ///
    /// # Errors
    /// Says what failed, after the batch's records were dropped and counted. The
    /// writer stays usable: the next batch is tried again.
    pub fn commit(&mut self) -> Result<(), LogError> {
        self.mark();
        self.write_batch()?;
        // Drops that were reported after the batch's records are marked after them.
        self.mark();
        self.write_batch()
    }

    /// Writes what is left, the mark for what was lost too, and waits until the disk
    /// has it. May be tried again.
    pub fn finish(&mut self) -> Result<(), LogError> {
        self.commit()?;
        if let Some(current) = self.current.as_ref().filter(|_| self.written) {
            let path = segment::log_path(&self.dir, current.first);
            current.log.sync_data().map_err(LogError::file("sync", path))?;
        }
        Ok(())
    }

    /// The number the next written record gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq + self.batch_records
    }

    /// Records dropped since this writer was opened.
    pub fn dropped(&self) -> u64 {
        self.dropped_total
    }

    /// Whether a segment was closed since this was last asked: it will not change any
    /// more, and may be packed.
    pub fn take_closed(&mut self) -> bool {
        std::mem::take(&mut self.closed)
    }

    /// Bytes collected but not written.
    pub fn pending_bytes(&self) -> usize {
        self.batch.len()
    }

    /// Puts the marker for dropped records at the head of an empty batch. (In a
    /// batch that has records it waits for the next one, or it would be lost with
    /// them and forgotten.)
    fn mark(&mut self) {
        if self.unmarked == 0 || self.batch_records > 0 {
            return;
        }
        self.make_room(128);
        self.note_entry(self.latest);
        self.encoder
            .marker(&mut self.batch, self.latest, self.unmarked, &self.why);
        self.batch_records += 1;
        self.marker = self.unmarked;
    }

    /// Makes sure that a line of `bytes` fits the batch and the segment.
    fn make_room(&mut self, bytes: usize) {
        if self.batch.len() + bytes > BATCH_BYTES && self.batch_records > 0 {
            // A failure was counted; it is told by the caller's own commit.
            let _ = self.write_batch();
        }
        let written = self.current.as_ref().map_or(0, |current| current.bytes);
        let full = written + (self.batch.len() + bytes) as u64 > self.options.segment_bytes;
        if full && (written > 0 || self.batch_records > 0) {
            let _ = self.write_batch();
            if self.current.as_ref().is_some_and(|current| current.bytes > 0) {
                self.current = None;
            }
        }
    }

    fn note_entry(&mut self, time: Timestamp) {
        let first = self.current.as_ref().map_or(self.next_seq, |current| current.first);
        let place = self.next_seq + self.batch_records - first;
        if place.is_multiple_of(STRIDE) {
            let offset = self.current.as_ref().map_or(0, |current| current.bytes) + self.batch.len() as u64;
            self.batch_entries.push(Entry { offset, time });
        }
    }

    fn write_batch(&mut self) -> Result<(), LogError> {
        if self.batch_records == 0 {
            return Ok(());
        }
        let outcome = self.try_write_batch();
        self.marker = 0;
        self.batch.clear();
        self.batch.shrink_to(BATCH_BYTES / 4);
        self.batch_entries.clear();
        self.batch_records = 0;
        outcome
    }

    fn try_write_batch(&mut self) -> Result<(), LogError> {
        let records = self.batch_records;
        let (kept, outcome) = match self.write_bytes() {
            Ok(()) => (records, Ok(())),
            Err((kept, error)) => (kept, Err(error)),
        };
        self.next_seq += kept;
        if kept > 0 {
            self.written = true;
            self.unmarked -= self.marker;
        }
        if let Some(current) = &mut self.current {
            let end = current.bytes;
            current
                .entries
                .extend(self.batch_entries.iter().filter(|entry| entry.offset < end));
            current.write_index(&self.dir);
        }
        if let Err(error) = &outcome {
            // A marker that was not written is no record that was lost.
            let lost = records - kept - u64::from(self.marker > 0 && kept == 0);
            let why = match error {
                LogError::File { source, .. } => source.to_string(),
                LogError::Busy(_) => error.to_string(),
            };
            self.drop_records(lost, self.latest, &why);
        }
        outcome
    }

    /// Writes the batch's bytes. On failure tells how many whole records got into
    /// the file; the rest has been cut off again.
    fn write_bytes(&mut self) -> Result<(), (u64, LogError)> {
        if self.current.is_none() {
            self.begin_segment().map_err(|error| (0, error))?;
        }
        let current = self.current.as_mut().expect("it was begun above");
        let mut written = 0;
        let failure = loop {
            if written == self.batch.len() {
                current.bytes += written as u64;
                return Ok(());
            }
            match current.log.write(&self.batch[written..]) {
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        let whole = memchr::memrchr(b'\n', &self.batch[..written]).map_or(0, |at| at + 1);
        let kept = memchr::memchr_iter(b'\n', &self.batch[..whole]).count() as u64;
        current.bytes += whole as u64;
        let path = segment::log_path(&self.dir, current.first);
        if written > whole && current.log.set_len(current.bytes).is_err() {
            // The unfinished line stays; a new segment begins, and readers stop at
            // the number it begins with.
            self.current = None;
        }
        Err((kept, LogError::file("write", path)(failure)))
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let first = self.next_seq;
        let path = segment::log_path(&self.dir, first);
        // Whatever bears this name holds no complete record, or it would have been counted.
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(LogError::file("create", &path))?;
        log.set_len(0).map_err(LogError::file("empty", &path))?;
        self.current = Some(Current {
            first,
            log,
            index: None,
            bytes: 0,
            entries: Vec::new(),
            indexed: 0,
        });
        self.remove_old();
        Ok(())
    }

    /// Keeps the newest segments. What cannot be removed is tried again at the
    /// next rotation.
    fn remove_old(&mut self) {
        let Ok(firsts) = segment::list(&self.dir) else { return };
        self.closed |= firsts.len() > 1;
        let keep = usize::try_from(self.options.segments.max(1)).unwrap_or(usize::MAX);
        for first in firsts.iter().rev().skip(keep) {
            let _ = segment::remove(&self.dir, *first);
        }
    }
}

impl Current {
    /// Brings the index file up to date; what cannot be written now is tried with
    /// the next batch, since readers can do without.
    fn write_index(&mut self, dir: &Path) {
        if self.entries.is_empty() {
            return;
        }
        if self.index.is_none() {
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(segment::index_path(dir, self.first));
            let Ok(file) = opened else { return };
            // Entries beyond these belong to lines that a crash cut off.
            if file.set_len(index::position(self.indexed)).is_err() {
                return;
            }
            self.index = Some(file);
        }
        let bytes: Vec<u8> = self.entries.iter().flat_map(|entry| entry.to_bytes()).collect();
        let file = self.index.as_ref().expect("it was opened above");
        if file.write_all_at(&bytes, index::position(self.indexed)).is_ok() {
            self.indexed += self.entries.len();
            self.entries.clear();
        }
    }
}

/// Opens the last segment at its end, cut to complete lines.
fn reopen(dir: &Path, first: u64) -> Result<(Option<Current>, u64), LogError> {
    let path = segment::log_path(dir, first);
    let index_path = segment::index_path(dir, first);
    let mut index = Index::default();
    let log = match OpenOptions::new().read(true).append(true).open(&path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Packed: whoever removed the newer ones wants no more of it.
            let packed = crate::bytes::open(dir, first)?;
            index
                .advance(&*packed, u64::MAX)
                .map_err(LogError::file("read", segment::packed_path(dir, first)))?;
            return Ok((None, first + index.count));
        }
        Err(error) => return Err(LogError::file("open", path)(error)),
    };
    index
        .load(&index_path, &log)
        .map_err(LogError::file("read", &index_path))?;
    let indexed = index.entries.len();
    index.advance(&log, u64::MAX).map_err(LogError::file("read", &path))?;
    let size = log.metadata().map_err(LogError::file("read", &path))?.len();
    if size > index.end {
        log.set_len(index.end).map_err(LogError::file("cut", &path))?;
    }
    let mut current = Current {
        first,
        log,
        index: None,
        bytes: index.end,
        entries: index.entries[indexed..].to_vec(),
        indexed,
    };
    current.write_index(dir);
    Ok((Some(current), first + index.count))
}
