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

/// Makes others the owners of an anonymous pipe. Anything else keeps its owner: a named
/// FIFO is a file of the host, and the owner of a socket decides what the firewall does
/// with its packets. fchown(2)
pub fn give_to(descriptor: impl AsFd, user: u32, group: Option<u32>) {
    const PIPEFS_MAGIC: i64 = 0x5049_5045;
    let is_pipe = rustix::fs::fstatfs(&descriptor).is_ok_and(|found| found.f_type == PIPEFS_MAGIC);
    if is_pipe {
        let (user, group) = (rustix::fs::Uid::from_raw(user), group.map(rustix::fs::Gid::from_raw));
        // A pipe of another user is not ours to give.
        let _ = rustix::fs::fchown(descriptor, Some(user), group);
    }
}
