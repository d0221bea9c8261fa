//! Making terminals in a file system that is not trusted. pty(7)

use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, openat2};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// `DEVPTS_SUPER_MAGIC`, statfs(2).
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Opens a new terminal of the devpts at `dir`: near and far side. The far side is
/// reached without its name.
///
/// # Errors
/// When `dir` is not the root of a devpts.
pub fn open(dir: impl AsFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
    let master = openat2(dir, "ptmx", flags, Mode::empty(), resolve)?;
    if fstatfs(&master)?.f_type != DEVPTS_MAGIC {
        return Err(io::Error::other("`/dev/pts` is no devpts file system"));
    }
    rustix::pty::unlockpt(&master)?;
    let peer = crate::terminal::hold_peer(&master)?;
    Ok((master, peer))
}

/// Makes `terminal` the controlling one of the calling process, which must lead a
/// session without. `TIOCSCTTY`
pub fn control(terminal: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(terminal)?)
}
