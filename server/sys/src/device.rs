//! Device files below a directory handle. mknod(2)

use crate::mount;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, fcntl_getfl, makedev, mknodat, symlinkat,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Character,
    Block,
    Fifo,
}

#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub kind: Kind,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// Makes a device file `name` in `dir`.
pub fn make(dir: impl AsFd, name: &str, node: Node) -> io::Result<()> {
    let kind = match node.kind {
        Kind::Character => FileType::CharacterDevice,
        Kind::Block => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
    };
    let mode = Mode::from_raw_mode(node.mode);
    mknodat(&dir, name, kind, mode, makedev(node.major, node.minor))?;
    // The umask took bits away.
    chmodat(&dir, name, mode, AtFlags::empty())?;
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    Ok(chownat(&dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Which device a handle means: kind, major, minor; `None` when it means none.
pub fn number(handle: impl AsFd) -> io::Result<Option<(Kind, u32, u32)>> {
    let found = rustix::fs::fstat(handle)?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => Kind::Character,
        FileType::BlockDevice => Kind::Block,
        _ => return Ok(None),
    };
    Ok(Some((
        kind,
        rustix::fs::major(found.st_rdev),
        rustix::fs::minor(found.st_rdev),
    )))
}

/// Whether a descriptor means `/dev/null`, by whatever node. null(4)
pub fn is_null(handle: impl AsFd) -> bool {
    number(handle).is_ok_and(|found| found == Some((Kind::Character, 1, 3)))
}

/// Whether a descriptor means one of the devices that every program may use and that have
/// no state: null, zero, full, random and urandom. mem(4), random(4)
pub fn is_stateless(handle: impl AsFd) -> bool {
    number(handle).is_ok_and(|found| matches!(found, Some((Kind::Character, 1, 3 | 5 | 7 | 8 | 9))))
}

/// Opens a device once more through a read-only mount of its node: it can be read and
/// written as before, but whoever gets the descriptor cannot change the node's mode, owner
/// or times, not even as the node's owner.
///
/// # Errors
/// `EINVAL` when the node lies in another mount namespace.
pub fn open_through_read_only_mount(device: impl AsFd) -> io::Result<OwnedFd> {
    let mode = fcntl_getfl(&device)? & OFlags::ACCMODE;
    let node = mount::copy_detached(device, Path::new(""), false)?;
    mount::change(&node, mount::READ_ONLY, 0, false)?;
    let opened = File::options()
        .read(mode != OFlags::WRONLY)
        .write(mode != OFlags::RDONLY)
        .open(format!("/proc/self/fd/{}", node.as_raw_fd()))?;
    Ok(opened.into())
}

/// Makes a symbolic link `name` in `dir`.
pub fn link(dir: impl AsFd, name: &str, target: &str) -> io::Result<()> {
    Ok(symlinkat(target, dir, name)?)
}
