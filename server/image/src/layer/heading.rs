//! What the headers of an entry say of it: those of tar(5), "ustar" and GNU's, and the
//! extended ones of pax(1).

use super::sparse::{Records, Sparse};
use super::unpack::{BUFFER_BYTES, copy};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use sys::unpack::Attributes;
use tar::{Entry, EntryType};

const XATTR_PREFIX: &str = "SCHILY.xattr.";

/// An entry's name, attributes and form.
#[derive(Debug, Clone)]
pub struct Heading {
    /// As the archive has it: it may lead anywhere.
    pub path: PathBuf,
    pub attributes: Attributes,
    sparse: Option<Sparse>,
}

impl Heading {
    /// # Errors
    /// Numbers or lists in the headers that make no sense.
    pub fn of<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Self> {
        let (attributes, sparse) = read(entry)?;
        let real = sparse.as_ref().and_then(|sparse| sparse.name.clone());
        let name = real.unwrap_or_else(|| entry.path_bytes().into_owned());
        Ok(Self {
            path: PathBuf::from(OsString::from_vec(name)),
            attributes,
            sparse,
        })
    }

    /// Of the entry as a file, holes included.
    pub fn size_bytes<R: Read>(&self, entry: &Entry<'_, R>) -> u64 {
        self.sparse.as_ref().map_or(entry.size(), Sparse::size_bytes)
    }

    /// Fills a new file with the entry's content; holes and long runs of zeros take no room.
    pub fn fill<R: Read>(&self, entry: &mut Entry<'_, R>, file: &mut File) -> io::Result<()> {
        self.write(entry, file, &mut vec![0; BUFFER_BYTES])
    }

    pub(super) fn write<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        file: &mut File,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        match &self.sparse {
            Some(sparse) => sparse.write(entry, file),
            None => copy(entry, file, buffer),
        }
    }
}

fn read<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<(Attributes, Option<Sparse>)> {
    let mut sparse = Records::default();
    let mut xattrs = Vec::new();
    let mut modified = None;
    let mut owners = (None, None);
    // Of a header that is no entry's it would be the content, however long.
    let kind = entry.header().entry_type();
    let is_header = kind == EntryType::XGlobalHeader || kind == EntryType::XHeader;
    let extensions = if is_header { None } else { entry.pax_extensions()? };
    if let Some(extensions) = extensions {
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
                if !name.starts_with("trusted.overlay.") && !name.starts_with("user.overlay.") {
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
    let id = |extended: Option<u64>, field: &[u8], plain: io::Result<u64>| -> io::Result<u32> {
        let number = match extended {
            Some(number) => number,
            // Who leaves it empty means root.
            None if field.iter().all(|byte| matches!(byte, 0 | b' ')) => 0,
            None => plain?,
        };
        u32::try_from(number).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "an owner's number is too large"))
    };
    let plain_time = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
    let (modified_s, modified_ns) = modified.unwrap_or((plain_time, 0));
    let attributes = Attributes {
        uid: id(owners.0, &header.as_old().uid, header.uid())?,
        gid: id(owners.1, &header.as_old().gid, header.gid())?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_a_fraction_is_read() {
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
    }
}
