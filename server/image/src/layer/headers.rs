//! What stands between two files of a tar, within bounds: names and attributes of any
//! length are read as a whole before their entry is seen.

use super::limits::Limits;
use std::cell::Cell;
use std::io::{self, Read};
use tar::{Archive, Entries, Entry, EntryType};

/// Of headers before one entry. Attributes take up to 64 KiB each (xattr(7), "Filesystem
/// differences"), and a list of pieces of a file with holes takes the rest.
const MOST_BYTES: u64 = 4 << 20;

/// tar(5): headers and data are padded with zeros to a multiple of it.
const BLOCK_BYTES: u64 = 512;

/// How many bytes may be read before the next entry is seen, and how long all files with
/// holes may be: for a hole nothing comes that could be counted.
#[derive(Debug)]
pub struct Headers {
    left: Cell<u64>,
    sparse_left: Cell<u64>,
    /// Bytes of the archive read so far.
    position: Cell<u64>,
    /// Where the data of the last entry ends, without its padding.
    data_end: Cell<Option<u64>>,
}

impl Headers {
    pub fn within(limits: Limits) -> Self {
        Self {
            left: Cell::new(MOST_BYTES),
            sparse_left: Cell::new(limits.bytes),
            position: Cell::new(0),
            data_end: Cell::new(None),
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
        if let Ok(entry) = &entry {
            // A file with holes is stored shorter than its size.
            let is_plain = entry.header().entry_type() != EntryType::GNUSparse;
            let end = entry.raw_file_position().checked_add(entry.size());
            self.data_end.set(end.filter(|_| is_plain));
        }
        Some(entry.and_then(|entry| self.count_holes(&entry).map(|()| entry)))
    }

    /// Zeros in place of the padding of the last entry, where the archive ends without it:
    /// `docker build -f -` sends such a context, and Go's archive/tar accepts it. Returns
    /// how many were written. Data that is missing is never made up.
    fn pad(&self, buffer: &mut [u8]) -> usize {
        let is_between_entries = self.left.get() != u64::MAX;
        let (position, Some(data_end)) = (self.position.get(), self.data_end.get()) else {
            return 0;
        };
        let padded_end = data_end.next_multiple_of(BLOCK_BYTES);
        if !is_between_entries || !(data_end..padded_end).contains(&position) {
            return 0;
        }
        let missing = usize::try_from(padded_end - position).unwrap_or(usize::MAX);
        let count = missing.min(buffer.len());
        buffer[..count].fill(0);
        self.position.set(position + count as u64);
        count
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
        if count == 0 {
            return Ok(self.headers.pad(buffer));
        }
        self.headers.position.set(self.headers.position.get() + count as u64);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One file of five bytes, and what follows its header in the archive.
    fn read(after_header: &[u8]) -> io::Result<Vec<String>> {
        let mut header = tar::Header::new_ustar();
        header.set_path("file").unwrap();
        header.set_size(5);
        header.set_cksum();
        let bytes = [header.as_bytes().as_slice(), after_header].concat();
        let headers = Headers::within(Limits::default());
        let mut archive = headers.archive(&bytes[..]);
        let mut entries = archive.entries()?;
        let mut texts = Vec::new();
        while let Some(entry) = headers.next(&mut entries) {
            let mut text = String::new();
            entry?.read_to_string(&mut text)?;
            texts.push(text);
        }
        Ok(texts)
    }

    #[test]
    fn an_archive_may_end_without_the_padding_of_its_last_file() {
        assert_eq!(read(b"hello").unwrap(), ["hello"]);
        assert_eq!(read(b"hello\0\0").unwrap(), ["hello"]);
        let padded = [b"hello".as_slice(), &[0; 507], &[0; 1024]].concat();
        assert_eq!(read(&padded).unwrap(), ["hello"]);
    }

    #[test]
    fn an_archive_that_ends_within_a_file_is_an_error() {
        assert!(read(b"hell").is_err());
        assert!(read(b"").is_err());
    }
}
