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

/// Opens the writing end of a FIFO that nobody needs to read yet. fifo(7)
pub fn open_writer(path: &std::path::Path) -> io::Result<OwnedFd> {
    // With a reader there the writer need not wait for one.
    let both = std::fs::File::options().read(true).write(true).open(path)?;
    let writer = std::fs::File::options().write(true).open(path)?;
    drop(both);
    Ok(writer.into())
}

/// Opens the reading end of a FIFO without waiting for a writer; reading waits, and ends
/// when there is none.
pub fn open_reader(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reader = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    let flags = fcntl_getfl(&reader)?;
    fcntl_setfl(&reader, flags - OFlags::NONBLOCK)?;
    Ok(reader)
}

/// Reads one byte by read(2), of a socket too; `None` at the end. Other calls for that may
/// be forbidden by a filter.
pub fn read_byte(descriptor: impl AsFd) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&descriptor, &mut byte))?;
    Ok((length > 0).then_some(byte[0]))
}

/// Opens the writing end of a FIFO; fails with `ENXIO` instead of waiting where no process has
/// it open for reading. fifo(7)
pub fn open_writer_if_read(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}

/// Writes all by write(2), to a socket too.
pub fn write_all(descriptor: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let length = rustix::io::retry_on_intr(|| rustix::io::write(&descriptor, bytes))?;
        bytes = &bytes[length..];
    }
    Ok(())
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
