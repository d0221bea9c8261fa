//! Extended attributes of open files. xattr(7)

use rustix::fs::XattrFlags;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// fsetxattr(2)
pub fn set(file: impl AsFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}
