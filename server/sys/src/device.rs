//! Device files below a directory handle. mknod(2)

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, chmodat, chownat, makedev, mknodat, symlinkat};
use std::io;
use std::os::fd::AsFd;

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

/// Makes a symbolic link `name` in `dir`.
pub fn link(dir: impl AsFd, name: &str, target: &str) -> io::Result<()> {
    Ok(symlinkat(target, dir, name)?)
}
