//! Reading and writing the small files a control group is made of.

use crate::error::CgroupError;
use model::container::limits::Ceiling;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

pub(crate) fn read(file: &Path) -> Result<String, CgroupError> {
    read_raw(file).map_err(|source| CgroupError::Read {
        file: file.to_owned(),
        source,
    })
}

/// The kernel makes these files anew at each read and tells no size beforehand: a
/// page holds most of them whole.
fn read_raw(file: &Path) -> io::Result<String> {
    let mut opened = std::fs::File::open(file)?;
    let mut text = Vec::new();
    let mut page = [0; 4 << 10];
    loop {
        match opened.read(&mut page) {
            Ok(0) => return String::from_utf8(text).map_err(io::Error::other),
            Ok(length) => text.extend_from_slice(&page[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// `None` where the file is not there, or the kernel has the file but not the feature.
pub(crate) fn read_if_there(file: &Path) -> Result<Option<String>, CgroupError> {
    match read_raw(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(CgroupError::Read {
            file: file.to_owned(),
            source,
        }),
    }
}

pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported)
        || matches!(error.raw_os_error(), Some(sys::errno::ENODEV | sys::errno::EOPNOTSUPP))
}

/// Writes in a single call, as the kernel takes each write for a whole value.
pub(crate) fn write(file: &Path, value: &str) -> Result<(), CgroupError> {
    write_raw(file, value).map_err(|source| CgroupError::Write {
        file: file.to_owned(),
        value: value.to_owned(),
        source,
    })
}

pub(crate) fn write_raw(file: &Path, value: &str) -> io::Result<()> {
    // Truncation means nothing to the kernel; it is for plain files under test. An
    // empty value would be no write at all, so the line end goes with it.
    let mut opened = OpenOptions::new().write(true).truncate(true).open(file)?;
    let text = if value.is_empty() { "\n" } else { value };
    opened.write_all(text.as_bytes())
}

pub(crate) fn number(file: &Path) -> Result<Option<u64>, CgroupError> {
    read_if_there(file)?
        .map(|text| parse(file, text.trim(), |text| text.parse().ok()))
        .transpose()
}

/// A number or `max`; v1's memory files say "no limit" by a number above all memory,
/// the processor's by `-1`.
pub(crate) fn ceiling(file: &Path) -> Result<Option<Ceiling>, CgroupError> {
    read_if_there(file)?
        .map(|text| parse(file, text.trim(), parse_ceiling))
        .transpose()
}

/// v1 counts pages in a signed number: at or above this there is no limit.
const V1_UNLIMITED_BYTES: u64 = i64::MAX as u64 & !0xffff;

pub(crate) fn parse_ceiling(text: &str) -> Option<Ceiling> {
    match text {
        "max" | "-1" => Some(Ceiling::Unlimited),
        _ => text.parse().ok().map(|amount: u64| {
            if amount >= V1_UNLIMITED_BYTES {
                Ceiling::Unlimited
            } else {
                Ceiling::At(amount)
            }
        }),
    }
}

pub(crate) fn parse<T>(file: &Path, text: &str, by: impl Fn(&str) -> Option<T>) -> Result<T, CgroupError> {
    by(text).ok_or_else(|| CgroupError::Malformed {
        file: file.to_owned(),
        text: text.to_owned(),
    })
}

/// The number after `key` in lines of `key number`.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, number) = line.split_once(' ')?;
        (name == key).then(|| number.trim().parse().ok())?
    })
}
