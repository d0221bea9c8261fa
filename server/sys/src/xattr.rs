//! Extended attributes of open files. xattr(7)

use rustix::fs::XattrFlags;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// fsetxattr(2)
pub fn set(file: impl AsFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// One that is short; `None` when there is none. getxattr(2)
pub fn get_short(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(path, name, value.as_mut_slice()).ok()?;
    Some(value.get(..length)?.to_vec())
}
