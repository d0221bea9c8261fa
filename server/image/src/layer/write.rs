//! A tar out of files: ustar with the extended headers of pax, the same bytes for the
//! same files every time. tar(5); POSIX, pax, "pax Interchange Format".

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use sys::tree::{Kind, Status, Tree, Xattrs};
use tar::{Builder, EntryType, Header};

/// What fits the fields of the old header.
const MOST_NAME_BYTES: usize = 100;
const MOST_ID: u32 = 0o7_777_777;
const MOST_SIZE_BYTES: u64 = 0o77_777_777_777;
const MOST_TIME_S: i64 = 0o77_777_777_777;
/// Holes are told only where they spare much: not every reader of tars knows of them.
const HOLES_FROM_BYTES: u64 = 16 << 20;
/// More pieces than this are written as if they had no holes between them.
const MOST_PIECES: usize = 10_000;
const BLOCK: usize = 512;

/// Writes entries, each file once: further names of it become hard links.
pub(crate) struct TarWriter<W: Write> {
    to: Builder<W>,
    named: HashMap<(u64, u64), Vec<u8>>,
    /// Later times are written as this: seconds since 1970.
    latest_s: Option<i64>,
    /// Users and groups are counted from these on.
    first_ids: (u32, u32),
    files_bytes: u64,
}

/// The extended header of one entry.
#[derive(Default)]
struct Extended(Vec<(String, Vec<u8>)>);

impl Extended {
    fn add(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((key.into(), value.into()));
    }

    fn number(&mut self, key: &str, value: impl ToString) {
        self.add(key, value.to_string());
    }
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(to: W, latest_s: Option<i64>) -> Self {
        Self {
            to: Builder::new(to),
            named: HashMap::new(),
            latest_s,
            first_ids: (0, 0),
            files_bytes: 0,
        }
    }

    /// Users and groups are told as those see them whose own begin at these.
    pub(crate) fn with_first_ids(mut self, first_ids: (u32, u32)) -> Self {
        self.first_ids = first_ids;
        self
    }

    /// Bytes of the files written so far, without holes.
    pub(crate) fn files_bytes(&self) -> u64 {
        self.files_bytes
    }

    /// Writes the end, and gives back what was written to.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.to.into_inner()
    }

    /// A `path` that is empty is the root itself.
    pub(crate) fn directory(&mut self, path: &[u8], status: &Status, xattrs: &Xattrs) -> io::Result<()> {
        let mut name = if path.is_empty() { b".".to_vec() } else { path.to_vec() };
        if !name.ends_with(b"/") {
            name.push(b'/');
        }
        self.header(&name, EntryType::Directory, status, xattrs, &[], 0)
    }

    /// Hides `name` of the layers below.
    pub(crate) fn marker(&mut self, path: &[u8]) -> io::Result<()> {
        let status = Status {
            kind: Kind::File,
            uid: 0,
            gid: 0,
            mode: 0o600,
            size_bytes: 0,
            allocated_bytes: 0,
            modified_s: 0,
            modified_ns: 0,
            changed: (0, 0),
            links: 1,
            identity: (0, 0),
        };
        self.header(path, EntryType::Regular, &status, &Vec::new(), &[], 0)
    }

    /// Anything but a directory; a socket is nothing without its process and left out.
    /// `keep` chooses among its attributes.
    pub(crate) fn entry(
        &mut self,
        parent: &Tree,
        name: &OsStr,
        path: &[u8],
        status: &Status,
        keep: impl Fn(&OsStr) -> bool,
    ) -> io::Result<()> {
        if status.links > 1
            && status.kind != Kind::Socket
            && let Some(first) = self.named.get(&status.identity)
        {
            let first = first.clone();
            return self.header(path, EntryType::Link, status, &Vec::new(), &first, 0);
        }
        let kept = |xattrs: Xattrs| xattrs.into_iter().filter(|(name, _)| keep(name)).collect();
        match status.kind {
            Kind::File => {
                let file = parent.open_file(name)?;
                // As it is now: the name may have come to mean another file.
                let status = sys::tree::status_of(&file)?;
                let xattrs: Xattrs = kept(sys::tree::xattrs(&file)?);
                self.file(path, &file, &status, &xattrs)?;
            }
            Kind::Symlink => {
                let target = parent.read_link(name)?;
                let xattrs = kept(parent.xattrs_of(name)?);
                self.header(path, EntryType::Symlink, status, &xattrs, target.as_bytes(), 0)?;
            }
            Kind::Fifo | Kind::Character { .. } | Kind::Block { .. } => {
                let xattrs = kept(parent.xattrs_of(name)?);
                let kind = match status.kind {
                    Kind::Fifo => EntryType::Fifo,
                    Kind::Character { .. } => EntryType::Char,
                    _ => EntryType::Block,
                };
                self.header(path, kind, status, &xattrs, &[], 0)?;
            }
            Kind::Socket | Kind::Directory => return Ok(()),
        }
        if status.links > 1 {
            self.named.insert(status.identity, path.to_vec());
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: &File, status: &Status, xattrs: &Xattrs) -> io::Result<()> {
        if status.size_bytes.saturating_sub(status.allocated_bytes) >= HOLES_FROM_BYTES {
            let pieces = sys::tree::data_ranges(file, status.size_bytes)?;
            let data: u64 = pieces.iter().map(|(_, length)| length).sum();
            if status.size_bytes - data >= HOLES_FROM_BYTES && pieces.len() <= MOST_PIECES {
                return self.sparse(path, file, status, xattrs, &pieces);
            }
        }
        self.files_bytes += status.size_bytes;
        self.header(path, EntryType::Regular, status, xattrs, &[], status.size_bytes)?;
        self.copy(file, status.size_bytes)?;
        self.pad(status.size_bytes)
    }

    /// GNU tar manual, "Storing Sparse Files", version 1.0: the name stands in the
    /// extended header, and the data begins with a list of its pieces.
    fn sparse(
        &mut self,
        path: &[u8],
        mut file: &File,
        status: &Status,
        xattrs: &Xattrs,
        pieces: &[(u64, u64)],
    ) -> io::Result<()> {
        use std::fmt::Write as _;
        let mut map = format!("{}\n", pieces.len());
        for (offset, length) in pieces {
            let _ = write!(map, "{offset}\n{length}\n");
        }
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        let data: u64 = pieces.iter().map(|(_, length)| length).sum();
        self.files_bytes += data;
        let mut extended = Extended::default();
        extended.number("GNU.sparse.major", 1);
        extended.number("GNU.sparse.minor", 0);
        extended.add("GNU.sparse.name", path);
        extended.number("GNU.sparse.realsize", status.size_bytes);
        let stand_in: Vec<u8> = [
            b"GNUSparseFile.0/",
            path.rsplit(|byte| *byte == b'/').next().unwrap_or(path),
        ]
        .concat();
        let bytes = map.len() as u64 + data;
        self.header_with(extended, &stand_in, EntryType::Regular, status, xattrs, &[], bytes)?;
        self.to.get_mut().write_all(&map)?;
        for (offset, length) in pieces {
            file.seek(SeekFrom::Start(*offset))?;
            self.copy(file, *length)?;
        }
        self.pad(bytes)
    }

    /// Exactly so many bytes: what a file that shrinks meanwhile lacks is zeros.
    fn copy(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        let to = self.to.get_mut();
        let copied = io::copy(&mut file.take(bytes), to)?;
        io::copy(&mut io::repeat(0).take(bytes - copied), to).map(drop)
    }

    fn pad(&mut self, bytes: u64) -> io::Result<()> {
        let rest = bytes.next_multiple_of(BLOCK as u64) - bytes;
        io::copy(&mut io::repeat(0).take(rest), self.to.get_mut()).map(drop)
    }

    fn header(
        &mut self,
        path: &[u8],
        kind: EntryType,
        status: &Status,
        xattrs: &Xattrs,
        link: &[u8],
        size_bytes: u64,
    ) -> io::Result<()> {
        self.header_with(Extended::default(), path, kind, status, xattrs, link, size_bytes)
    }

    #[allow(clippy::too_many_arguments)]
    fn header_with(
        &mut self,
        mut extended: Extended,
        path: &[u8],
        kind: EntryType,
        status: &Status,
        xattrs: &Xattrs,
        link: &[u8],
        size_bytes: u64,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(status.mode);
        if let Some(ustar) = header.as_ustar_mut() {
            put(&mut ustar.name, path, "path", &mut extended);
            put(&mut ustar.linkname, link, "linkpath", &mut extended);
        }
        let uid = status.uid.saturating_sub(self.first_ids.0);
        let gid = status.gid.saturating_sub(self.first_ids.1);
        for (key, id) in [("uid", uid), ("gid", gid)] {
            if id > MOST_ID {
                extended.number(key, id);
            }
        }
        header.set_uid(u64::from(uid.min(MOST_ID)));
        header.set_gid(u64::from(gid.min(MOST_ID)));
        if size_bytes > MOST_SIZE_BYTES {
            extended.number("size", size_bytes);
        }
        header.set_size(size_bytes.min(MOST_SIZE_BYTES));
        let (seconds, nanos) = self.time(status);
        if nanos > 0 || !(0..=MOST_TIME_S).contains(&seconds) {
            extended.add("mtime", decimal(seconds, nanos));
        }
        header.set_mtime(u64::try_from(seconds.clamp(0, MOST_TIME_S)).unwrap_or(0));
        if let Kind::Character { major, minor } | Kind::Block { major, minor } = status.kind {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
        }
        for (name, value) in xattrs {
            // A name that is no text cannot stand in the header.
            if let Some(name) = name.to_str() {
                extended.add(format!("SCHILY.xattr.{name}"), value.as_slice());
            }
        }
        extended.0.sort();
        let records = extended.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.to.append_pax_extensions(records)?;
        header.set_cksum();
        self.to.get_mut().write_all(header.as_bytes())
    }

    fn time(&self, status: &Status) -> (i64, u32) {
        match self.latest_s {
            Some(latest) if status.modified_s >= latest => (latest, 0),
            _ => (status.modified_s, status.modified_ns),
        }
    }
}

/// Into the old field what fits and is plain, into the extended header the rest.
fn put(field: &mut [u8; MOST_NAME_BYTES], text: &[u8], key: &str, extended: &mut Extended) {
    let fits = text.len().min(MOST_NAME_BYTES);
    field[..fits].copy_from_slice(&text[..fits]);
    if text.len() > MOST_NAME_BYTES || !text.is_ascii() {
        extended.add(key, text);
    }
}

/// Seconds before 1970 are negative, and their fraction counts from them towards it:
/// half a second before is `-0.5`.
fn decimal(seconds: i64, nanos: u32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (sign, size) = if total < 0 { ("-", -total) } else { ("", total) };
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_decimals() {
        assert_eq!(decimal(12, 500_000_000), "12.5");
        assert_eq!(decimal(-1, 500_000_000), "-0.5");
        assert_eq!(decimal(-3, 0), "-3");
        assert_eq!(decimal(100, 0), "100");
    }
}
