//! A tar's entries become files, its whiteouts overlayfs's.

use super::ahead::{Ahead, Hashing, read_ahead};
use super::headers::Headers;
use super::heading::Heading;
use super::limits::Limits;
use crate::ImageError;
use model::image::Digest;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use sys::unpack::{Attributes, Root, Special};
use tar::{Entry, EntryType};
use tokio_util::sync::CancellationToken;

/// Marks in names: image-spec, layer.md, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// These are remembered to the end, with their attributes.
const MOST_DIRECTORIES: usize = 300_000;
const MOST_REMEMBERED_BYTES: usize = 64 << 20;
/// Read and written at once.
pub(super) const BUFFER_BYTES: usize = 128 << 10;
/// Below it a hole saves nothing worth its two calls.
const LEAST_HOLE_BYTES: usize = 64 << 10;

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Of all bytes of the tar, also those after its last entry.
    pub(crate) diff_id: Digest,
    pub(crate) files_bytes: u64,
}

/// Unpacks the tar `from` into the empty directory `into`. `from` is read on a thread
/// of its own.
pub(crate) fn unpack(
    layer: &Digest,
    from: impl Read + Send,
    hashing: Hashing,
    into: &Path,
    limits: Limits,
    cancel: &CancellationToken,
) -> Result<Contents, ImageError> {
    let unpacking = Unpacking {
        layer,
        cancel,
        entries: 0,
        limits,
        placing: Placing::within(limits),
    };
    read_ahead(Stopped { from, cancel }, hashing, |tar| unpacking.run(tar, into)).map_err(unpacking_at(layer, into))?
}

fn unpacking_at(layer: &Digest, path: &Path) -> impl FnOnce(io::Error) -> ImageError + use<> {
    let (layer, path) = (layer.clone(), path.to_owned());
    move |source| ImageError::Unpack { layer, path, source }
}

/// A layer while it is unpacked.
struct Unpacking<'a> {
    layer: &'a Digest,
    cancel: &'a CancellationToken,
    entries: u64,
    limits: Limits,
    placing: Placing,
}

/// What has come so far.
pub(super) struct Placing {
    files_bytes: u64,
    /// Holes included, for which nothing comes.
    most_bytes: u64,
    /// What they will be when nothing more is put into them.
    directories: HashMap<PathBuf, Attributes>,
    remembered_bytes: usize,
    buffer: Vec<u8>,
}

impl Placing {
    pub(super) fn within(limits: Limits) -> Self {
        Self {
            files_bytes: 0,
            most_bytes: limits.bytes,
            directories: HashMap::new(),
            remembered_bytes: 0,
            buffer: vec![0; BUFFER_BYTES],
        }
    }
}

impl Unpacking<'_> {
    fn run(mut self, tar: &mut Ahead, into: &Path) -> Result<Contents, ImageError> {
        let layer = self.layer;
        let at = |path: &Path| unpacking_at(layer, path);
        let mut root = Root::open(into).map_err(at(into))?;
        let headers = Headers::within(self.limits);
        let mut archive = headers.archive(&mut *tar);
        archive.set_ignore_zeros(false);
        let mut entries = archive.entries().map_err(at(Path::new("/")))?;
        while let Some(entry) = headers.next(&mut entries) {
            if self.cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let mut entry = entry.map_err(at(Path::new("/")))?;
            let placed = self.place(&mut root, &mut entry);
            if let Err(error) = placed.and_then(|()| Headers::leave(&mut entry)) {
                let name = OsString::from_vec(entry.path_bytes().into_owned());
                return Err(at(Path::new(&name))(error));
            }
        }
        let files_bytes = self.placing.files_bytes;
        self.placing
            .finish_directories(&mut root, |path, error| unpacking_at(layer, path)(error))?;
        Ok(Contents {
            diff_id: tar.digest().map_err(at(Path::new("/")))?,
            files_bytes,
        })
    }

    /// Puts one entry in its place.
    fn place<R: Read>(&mut self, root: &mut Root, entry: &mut Entry<'_, R>) -> io::Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries || self.placing.directories.len() > MOST_DIRECTORIES {
            return Err(io::Error::other("the layer has too many entries"));
        }
        let heading = Heading::of(entry)?;
        let path = &heading.path;
        let name = path.file_name().unwrap_or_default().as_bytes();
        if name == OPAQUE {
            return root.opaque(path.parent().unwrap_or(Path::new("/")));
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if hidden.is_empty() || hidden.starts_with(WHITEOUT) {
                return Ok(());
            }
            let hidden = OsString::from_vec(hidden.to_owned());
            if hidden == ".." || hidden == "." {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a whiteout of no name"));
            }
            return root.whiteout(&path.with_file_name(hidden));
        }
        self.placing.put(root, entry, heading)
    }
}

impl Placing {
    /// Writing into a directory changes its time: they come last, deepest first.
    pub(super) fn finish_directories<E>(
        self,
        root: &mut Root,
        failed: impl Fn(&Path, io::Error) -> E,
    ) -> Result<(), E> {
        let mut directories: Vec<_> = self.directories.into_iter().collect();
        directories.sort_by(|(one, _), (other, _)| other.cmp(one));
        for (path, attributes) in &directories {
            root.finish_directory(path, attributes)
                .map_err(|error| failed(path, error))?;
        }
        Ok(())
    }

    /// Puts one entry in its place, whatever its name means in layers.
    pub(super) fn put<R: Read>(
        &mut self,
        root: &mut Root,
        entry: &mut Entry<'_, R>,
        heading: Heading,
    ) -> io::Result<()> {
        let (path, attributes) = (heading.path.as_path(), &heading.attributes);
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let length = heading.size_bytes(entry);
                let all = self
                    .files_bytes
                    .checked_add(length)
                    .filter(|all| *all <= self.most_bytes);
                self.files_bytes = all.ok_or_else(|| {
                    io::Error::other(format!(
                        "its files are longer than {} bytes; that is no honest archive",
                        self.most_bytes
                    ))
                })?;
                let buffer = &mut self.buffer;
                root.file(path, attributes, |file| heading.write(entry, file, buffer))
            }
            EntryType::Directory => {
                root.directory(path)?;
                let plain = path.components().filter(|part| matches!(part, Component::Normal(_)));
                let path: PathBuf = plain.collect();
                self.remembered_bytes += remembered(&path, attributes);
                if let Some(before) = self.directories.insert(path.clone(), heading.attributes) {
                    self.remembered_bytes -= remembered(&path, &before);
                }
                if self.remembered_bytes > MOST_REMEMBERED_BYTES {
                    return Err(io::Error::other(format!(
                        "names and attributes of its directories take more than {} MiB; that is no honest archive",
                        MOST_REMEMBERED_BYTES >> 20
                    )));
                }
                Ok(())
            }
            EntryType::Symlink => root.symlink(path, &link(entry)?, attributes),
            EntryType::Link => root.hard_link(path, &link(entry)?),
            EntryType::Fifo => root.special(path, Special::Fifo, attributes),
            kind @ (EntryType::Char | EntryType::Block) => {
                let header = entry.header();
                let major = header.device_major()?.unwrap_or(0);
                let minor = header.device_minor()?.unwrap_or(0);
                let special = if kind == EntryType::Char {
                    Special::Character { major, minor }
                } else {
                    Special::Block { major, minor }
                };
                root.special(path, special, attributes)
            }
            // Extended headers were read with their entries; what is not known is left out.
            _ => Ok(()),
        }
    }
}

fn remembered(path: &Path, attributes: &Attributes) -> usize {
    let xattrs = attributes.xattrs.iter();
    path.as_os_str().len() + xattrs.map(|(name, value)| name.len() + value.len()).sum::<usize>()
}

/// Copies a file. Long runs of zeros become holes, which read the
/// same and take no room.
pub(super) fn copy(from: &mut impl Read, to: &mut File, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let piece = &buffer[..filled];
        if filled >= LEAST_HOLE_BYTES && is_zeros(piece) {
            sys::unpack::leave_hole(to, filled as u64)?;
        } else {
            to.write_all(piece)?;
        }
        if filled < buffer.len() {
            return Ok(());
        }
    }
}

/// By a comparison with itself, one byte on, which takes many bytes at a time.
fn is_zeros(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_none_or(|first| *first == 0 && bytes[1..] == bytes[..bytes.len() - 1])
}

pub(super) fn link<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    let bytes = entry
        .link_name_bytes()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a link without a target"))?;
    Ok(PathBuf::from(OsString::from_vec(bytes.into_owned())))
}

/// Ends reading when it is cancelled.
struct Stopped<'a, R> {
    from: R,
    cancel: &'a CancellationToken,
}

impl<R: Read> Read for Stopped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.from.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};
    use std::fs;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    use tar::{Builder, Header};

    fn header(size: u64, kind: EntryType) -> Header {
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1000);
        header.set_entry_type(kind);
        header
    }

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = header(text.len() as u64, EntryType::Regular);
            // As a stranger would write it: `append_data` refuses `..`.
            let bytes = path.as_bytes();
            header.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(tar: &[u8]) -> (tempfile::TempDir, Result<Contents, ImageError>) {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::from_sha256([0; 32]);
        let outcome = unpack(
            &digest,
            tar,
            Hashing::Here,
            dir.path(),
            Limits::default(),
            &CancellationToken::new(),
        );
        (dir, outcome)
    }

    #[test]
    fn files_come_with_mode_time_and_hash() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let bytes = tar(&[("bin/sh", "#!"), ("./etc/x", "abc")]);
        let (dir, outcome) = unpacked(&bytes);
        let contents = outcome.unwrap();
        assert_eq!(contents.files_bytes, 5);
        assert_eq!(contents.diff_id, Digest::from_sha256(Sha256::digest(&bytes).into()));
        let metadata = fs::metadata(dir.path().join("bin/sh")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o4755, 1000));
    }

    #[test]
    fn a_layer_cannot_write_outside_its_root() {
        let (dir, outcome) = unpacked(&tar(&[("../evil", "x")]));
        assert!(outcome.is_err());
        assert!(!dir.path().parent().unwrap().join("evil").exists());
    }

    #[test]
    fn whiteouts_become_those_of_overlayfs() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let (dir, outcome) = unpacked(&tar(&[("etc/.wh.passwd", "")]));
        outcome.unwrap();
        let metadata = fs::symlink_metadata(dir.path().join("etc/passwd")).unwrap();
        assert!(metadata.file_type().is_char_device());
    }

    #[test]
    fn the_last_word_on_a_directory_counts_and_its_time_stays() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let mut builder = Builder::new(Vec::new());
        for (mode, mtime) in [(0o700, 5), (0o2750, 7)] {
            let mut header = header(0, EntryType::Directory);
            header.set_mode(mode);
            header.set_mtime(mtime);
            header.set_gid(5);
            builder.append_data(&mut header, "var/mail/", io::empty()).unwrap();
        }
        let mut file = header(1, EntryType::Regular);
        builder.append_data(&mut file, "var/mail/x", &b"x"[..]).unwrap();
        let (dir, outcome) = unpacked(&builder.into_inner().unwrap());
        outcome.unwrap();
        let metadata = fs::metadata(dir.path().join("var/mail")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o2750, 7));
        let inner = fs::metadata(dir.path().join("var/mail/x")).unwrap();
        assert_eq!(inner.gid(), 0, "the group of a directory is not passed on");
    }

    #[test]
    fn zeros_take_no_room_and_read_as_before() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let mut text = vec![b'a'; BUFFER_BYTES];
        text.extend(vec![0; 8 * BUFFER_BYTES]);
        let mut builder = Builder::new(Vec::new());
        let mut header = header(text.len() as u64, EntryType::Regular);
        builder.append_data(&mut header, "disk", &text[..]).unwrap();
        let (dir, outcome) = unpacked(&builder.into_inner().unwrap());
        assert_eq!(outcome.unwrap().files_bytes, text.len() as u64);
        let path = dir.path().join("disk");
        assert!(fs::read(&path).unwrap() == text);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 < 3 * BUFFER_BYTES as u64);
    }
}
