//! Where every 256th record of a segment begins, and when it was written.
//!
//! On disk: 16 bytes an entry, offset then time in nanoseconds, little-endian; the
//! entry's place says its record. In memory: the same, completed by scanning.

use crate::bytes::Bytes;
use crate::cri;
use model::Timestamp;
use std::fs::File;
use std::io;
use std::path::Path;

/// Records between entries. With lines of the largest size 4 MiB are scanned to
/// reach one record; with usual ones some 30 KiB.
pub(crate) const STRIDE: u64 = 256;

const ENTRY_BYTES: usize = 16;
const CHUNK_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) time: Timestamp,
}

impl Entry {
    pub(crate) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.time.as_unix_nanos().to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [offset, time] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[at..at + 8]);
            half
        });
        Self {
            offset: u64::from_le_bytes(offset),
            time: Timestamp::from_unix_nanos(i64::from_le_bytes(time)),
        }
    }
}

/// Where the entry with this place stands in the file.
pub(crate) fn position(entry: usize) -> u64 {
    entry as u64 * ENTRY_BYTES as u64
}

/// What is known of one segment: the entries, and how far it has been counted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Index {
    pub(crate) entries: Vec<Entry>,
    /// Complete records up to `end`.
    pub(crate) count: u64,
    /// Offset behind the last counted record.
    pub(crate) end: u64,
}

impl Index {
    /// Takes in entries from the index file that lie beyond what is counted. They
    /// are believed if they grow and the last one begins a line of `log`.
    pub(crate) fn load(&mut self, path: &Path, log: &dyn Bytes) -> io::Result<()> {
        let bytes = match File::open(path) {
            Ok(file) => read_from(&file, position(self.entries.len()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let size = log.size()?;
        let known = self.entries.len();
        let (entries, _torn) = bytes.as_chunks::<ENTRY_BYTES>();
        for bytes in entries {
            let entry = Entry::from_bytes(bytes);
            let least = self.entries.last().map_or(0, |last| last.offset + 1);
            let first = self.entries.is_empty();
            if entry.offset >= size || (first && entry.offset != 0) || (!first && entry.offset < least) {
                break;
            }
            self.entries.push(entry);
        }
        while self.entries.len() > known && !begins_line(log, self.entries[self.entries.len() - 1])? {
            self.entries.pop();
        }
        if let Some((last, before)) = self.entries.split_last() {
            let counted = before.len() as u64 * STRIDE;
            if counted > self.count {
                self.count = counted;
                self.end = last.offset;
            }
        }
        Ok(())
    }

    /// Counts on, until `most` records are known or the file has no more complete
    /// ones.
    pub(crate) fn advance(&mut self, log: &dyn Bytes, most: u64) -> io::Result<()> {
        let mut chunk = Vec::new();
        let mut wanted = CHUNK_BYTES;
        while self.count < most {
            chunk.resize(wanted, 0);
            let length = log.read_at(&mut chunk, self.end)?;
            let mut begin = 0;
            for newline in memchr::memchr_iter(b'\n', &chunk[..length]) {
                if self.count == most {
                    break;
                }
                self.count_record(begin as u64, &chunk[begin..newline]);
                begin = newline + 1;
            }
            self.end += begin as u64;
            if length < wanted {
                break;
            }
            if begin == 0 {
                wanted *= 2;
            }
        }
        Ok(())
    }

    fn count_record(&mut self, begin_in_chunk: u64, line: &[u8]) {
        if self.count.is_multiple_of(STRIDE) && self.entries.len() as u64 == self.count / STRIDE {
            self.entries.push(Entry {
                offset: self.end + begin_in_chunk,
                time: cri::time_of(line).unwrap_or_default(),
            });
        }
        self.count += 1;
    }

    /// The offset of the record at `place` (from 0), which must be counted or the
    /// next one after.
    pub(crate) fn locate(&self, log: &dyn Bytes, place: u64) -> io::Result<u64> {
        if place == self.count {
            return Ok(self.end);
        }
        let nearest = usize::try_from(place / STRIDE).unwrap_or(usize::MAX);
        let nearest = nearest.min(self.entries.len().saturating_sub(1));
        let offset = self.entries.get(nearest).map_or(0, |entry| entry.offset);
        skip_lines(log, offset, place - nearest as u64 * STRIDE)
    }
}

/// The offset `lines` complete lines behind `offset`; fewer if there are no more.
fn skip_lines(log: &dyn Bytes, mut offset: u64, mut lines: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut next = offset;
    while lines > 0 {
        let length = log.read_at(&mut chunk, next)?;
        if length == 0 {
            break;
        }
        for newline in memchr::memchr_iter(b'\n', &chunk[..length]) {
            offset = next + newline as u64 + 1;
            lines -= 1;
            if lines == 0 {
                break;
            }
        }
        next += length as u64;
    }
    Ok(offset)
}

fn begins_line(log: &dyn Bytes, entry: Entry) -> io::Result<bool> {
    let mut bytes = [0; 64];
    let before = entry.offset.saturating_sub(1);
    let length = log.read_at(&mut bytes, before)?;
    let line = &bytes[usize::from(entry.offset > 0).min(length)..length];
    Ok((entry.offset == 0 || bytes[0] == b'\n') && cri::time_of(line) == Some(entry.time))
}

fn read_from(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let size = file.size()?.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let length = Bytes::read_at(file, &mut bytes, offset)?;
    bytes.truncate(length);
    Ok(bytes)
}
