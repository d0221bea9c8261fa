//! What stands between two files of a tar, within bounds: names and attributes of any
//! length are read as a whole before their entry is seen.

use super::limits::Limits;
use std::cell::Cell;
use std::io::{self, Read};
use tar::{Archive, Entries, Entry, EntryType};

/// Of headers before one entry. Attributes take up to 64 KiB each (xattr(7), "Filesystem
/// differences"), and a list of pieces of a file with holes takes the rest.
const MOST_BYTES: u64 = 4 << 20;

/// How many bytes may be read before the next entry is seen, and how long all files with
/// holes may be: for a hole nothing comes that could be counted.
#[derive(Debug)]
pub struct Headers {
    left: Cell<u64>,
    sparse_left: Cell<u64>,
}

impl Headers {
    pub fn within(limits: Limits) -> Self {
        Self {
            left: Cell::new(MOST_BYTES),
            sparse_left: Cell::new(limits.bytes),
        }
    }

    /// An archive to be read with [`Headers::next`].
    pub fn archive<R: Read>(&self, from: R) -> Archive<Bounded<'_, R>> {
        Archive::new(Bounded { from, headers: self })
    }

    /// The next entry. The one before it has been read to its end, or left by
    /// [`Headers::leave`].
    pub fn next<'e, R: Read>(&self, entries: &mut Entries<'e, R>) -> Option<io::Result<Entry<'e, R>>> {
        self.left.set(MOST_BYTES);
        let entry = entries.next();
        self.left.set(u64::MAX);
        let entry = entry?;
        Some(entry.and_then(|entry| self.count_holes(&entry).map(|()| entry)))
    }

    fn count_holes<R: Read>(&self, entry: &Entry<'_, R>) -> io::Result<()> {
        if entry.header().entry_type() != EntryType::GNUSparse {
            return Ok(());
        }
        let left = self.sparse_left.get().checked_sub(entry.size());
        self.sparse_left.set(left.ok_or_else(|| {
            io::Error::other("its files with holes are longer than all files may be; that is no honest archive")
        })?);
        Ok(())
    }

    /// Passes over what is left of an entry.
    pub fn leave<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<()> {
        // What it would read of a hole has no end, and nothing came for it.
        if entry.header().entry_type() != EntryType::GNUSparse {
            io::copy(entry, &mut io::sink())?;
        }
        Ok(())
    }
}

/// The bytes of an archive.
#[derive(Debug)]
pub struct Bounded<'h, R> {
    from: R,
    headers: &'h Headers,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let left = self.headers.left.get().checked_sub(count as u64);
        let left = left.ok_or_else(|| {
            io::Error::other(format!(
                "names and attributes of one entry take more than {} MiB; that is no honest archive",
                MOST_BYTES >> 20
            ))
        })?;
        self.headers.left.set(left);
        Ok(count)
    }
}
