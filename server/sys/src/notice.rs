//! Descriptors that become readable when the kernel has something to say about a
//! file. eventfd(2), inotify(7)

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A counter that others raise.
pub fn counter() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Tells when the content of `path` changes.
pub fn of_changes(path: &Path) -> io::Result<OwnedFd> {
    let notice = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&notice, path, inotify::WatchFlags::MODIFY)?;
    Ok(notice)
}

/// Takes in what was said, so that it is not readable until the next time.
pub fn clear(notice: impl AsFd) {
    let mut said = [0u8; 4096];
    while rustix::io::read(&notice, &mut said).is_ok_and(|length| length > 0) {}
}
