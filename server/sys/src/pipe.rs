//! Pipes, and descriptors that do not block. pipe(7), fcntl(2)

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A pipe, reading end first, both closed on exec and blocking.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Reading and writing answer `WouldBlock` instead of waiting. The setting
/// belongs to the open file: whoever shares it is concerned too.
pub fn set_nonblocking(descriptor: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&descriptor)?;
    Ok(fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?)
}

/// Makes a FIFO that only its owner may use. mkfifo(3)
pub fn make_fifo(path: &std::path::Path) -> io::Result<()> {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    Ok(rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )?)
}

/// Makes others the owners of a pipe; anything else stays whose it is. fchown(2)
pub fn give_to(descriptor: impl AsFd, user: u32, group: u32) {
    let is_pipe = rustix::fs::fstat(&descriptor)
        .is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Fifo);
    if is_pipe {
        let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
        // A pipe of somebody else's is not ours to give.
        let _ = rustix::fs::fchown(descriptor, Some(user), Some(group));
    }
}
