//! A tar's entries become files, its whiteouts overlayfs's.

use super::sparse::{Records, Sparse, copy_with_holes};
use crate::ImageError;
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use sys::unpack::{Attributes, Root, Special};
use tar::{Archive, Entry, EntryType};
use tokio_util::sync::CancellationToken;

/// Marks in names: image-spec, layer.md, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const XATTR_PREFIX: &str = "SCHILY.xattr.";
const MOST_ENTRIES: u64 = 5_000_000;

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Of all bytes of the tar, also those after its last entry.
    pub(crate) diff_id: Digest,
    pub(crate) files_bytes: u64,
}

/// Unpacks the tar `from` into the empty directory `into`.
pub(crate) fn unpack(
    layer: &Digest,
    from: impl Read,
    into: &Path,
    cancel: &CancellationToken,
) -> Result<Contents, ImageError> {
    let at = |path: &Path| {
        let (layer, path) = (layer.clone(), path.to_owned());
        move |source: io::Error| ImageError::Unpack { layer, path, source }
    };
    let mut root = Root::open(into).map_err(at(into))?;
    let mut hashed = Hashed {
        from,
        hash: Sha256::new(),
        cancel: cancel.clone(),
    };
    let mut files_bytes = 0;
    let mut directories: Vec<(PathBuf, Attributes)> = Vec::new();
    {
        let mut archive = Archive::new(&mut hashed);
        archive.set_ignore_zeros(false);
        let mut count = 0u64;
        for entry in archive.entries().map_err(at(Path::new("/")))? {
            let mut entry = entry.map_err(at(Path::new("/")))?;
            let path = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
            count += 1;
            if count > MOST_ENTRIES {
                return Err(at(&path)(io::Error::other("the layer has too many entries")));
            }
            if cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            files_bytes += place(&mut root, &mut entry, &path, &mut directories).map_err(at(&path))?;
        }
    }
    // Writing into a directory changes its time: those come last, deepest first.
    for (path, attributes) in directories.iter().rev() {
        root.directory(path, attributes).map_err(at(path))?;
    }
    io::copy(&mut hashed, &mut io::sink()).map_err(at(Path::new("/")))?;
    Ok(Contents {
        diff_id: Digest::from_sha256(hashed.hash.finalize().into()),
        files_bytes,
    })
}

/// Puts one entry in its place and tells how many bytes of files it brought.
fn place<R: Read>(
    root: &mut Root,
    entry: &mut Entry<'_, R>,
    path: &Path,
    directories: &mut Vec<(PathBuf, Attributes)>,
) -> io::Result<u64> {
    let (attributes, sparse) = attributes(entry)?;
    let real = sparse.as_ref().and_then(|sparse| sparse.name.clone());
    let real = real.map(|name| PathBuf::from(OsString::from_vec(name)));
    let path = real.as_deref().unwrap_or(path);
    let name = path
        .file_name()
        .map(|name| name.as_bytes().to_owned())
        .unwrap_or_default();
    if name == OPAQUE {
        root.opaque(path.parent().unwrap_or(Path::new("/")))?;
        return Ok(0);
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        if hidden.is_empty() || hidden.starts_with(WHITEOUT) {
            return Ok(0);
        }
        let hidden = OsString::from_vec(hidden.to_owned());
        if hidden == ".." || hidden == "." {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a whiteout of no name"));
        }
        root.whiteout(&path.with_file_name(hidden))?;
        return Ok(0);
    }
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let mut bytes = 0;
            let holes = entry.header().entry_type() == EntryType::GNUSparse;
            root.file(path, &attributes, |file| {
                bytes = match sparse {
                    Some(sparse) => sparse.write(entry, file)?,
                    None if holes => copy_with_holes(entry, file)?,
                    None => io::copy(entry, file)?,
                };
                Ok::<_, io::Error>(())
            })?;
            return Ok(bytes);
        }
        EntryType::Directory => {
            root.directory(path, &attributes)?;
            directories.push((path.to_owned(), attributes));
        }
        EntryType::Symlink => root.symlink(path, &link(entry)?, &attributes)?,
        EntryType::Link => root.hard_link(path, &link(entry)?)?,
        EntryType::Fifo => root.special(path, Special::Fifo, &attributes)?,
        kind @ (EntryType::Char | EntryType::Block) => {
            let header = entry.header();
            let major = header.device_major()?.unwrap_or(0);
            let minor = header.device_minor()?.unwrap_or(0);
            let special = if kind == EntryType::Char {
                Special::Character { major, minor }
            } else {
                Special::Block { major, minor }
            };
            root.special(path, special, &attributes)?;
        }
        // Extended headers were read with their entries; what is not known is left out.
        _ => {}
    }
    Ok(0)
}

fn link<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    let bytes = entry
        .link_name_bytes()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a link without a target"))?;
    Ok(PathBuf::from(OsString::from_vec(bytes.into_owned())))
}

fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<(Attributes, Option<Sparse>)> {
    let mut sparse = Records::default();
    let mut xattrs = Vec::new();
    let mut modified = None;
    let mut owners = (None, None);
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions.filter_map(Result::ok) {
            let Ok(key) = extension.key() else { continue };
            let value = extension.value_bytes();
            sparse.take(key, value);
            let number = || {
                std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse::<u64>().ok())
            };
            if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                // Overlayfs's own would let a layer hide what others have.
                if !name.starts_with("trusted.overlay.") {
                    xattrs.push((OsString::from(name), value.to_owned()));
                }
            } else if key == "mtime" {
                modified = std::str::from_utf8(value).ok().and_then(time);
            } else if key == "uid" {
                owners.0 = number();
            } else if key == "gid" {
                owners.1 = number();
            }
        }
    }
    let header = entry.header();
    let id = |extended: Option<u64>, plain: io::Result<u64>| -> io::Result<u32> {
        let number = match extended {
            Some(number) => number,
            None => plain?,
        };
        u32::try_from(number).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "an owner's number is too large"))
    };
    let plain_time = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
    let (modified_s, modified_ns) = modified.unwrap_or((plain_time, 0));
    let attributes = Attributes {
        uid: id(owners.0, header.uid())?,
        gid: id(owners.1, header.gid())?,
        mode: header.mode()? & 0o7777,
        modified_s,
        modified_ns,
        xattrs,
    };
    Ok((attributes, sparse.finish()?))
}

/// `1700000000.123` as seconds and nanoseconds.
fn time(text: &str) -> Option<(i64, i64)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some((seconds.parse().ok()?, digits.parse().ok()?))
}

/// Hashes what passes.
struct Hashed<R> {
    from: R,
    hash: Sha256,
    cancel: CancellationToken,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let outcome = unpack(&digest, tar, dir.path(), &CancellationToken::new());
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
    fn a_time_with_a_fraction_is_read() {
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
    }
}
