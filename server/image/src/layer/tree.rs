//! A tree as it is seen, or a part of one, as a tar.

use super::compare::{MOST_DEEP, too_deep};
use super::write::TarWriter;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use sys::tree::{Kind, Tree};

/// Writes a directory and all below it; their names in the tar begin with `base`.
/// What goes away meanwhile is as if it had gone before. Users and groups are counted
/// from `first_ids` on.
pub fn write_tree(dir: &Tree, base: &[u8], first_ids: (u32, u32), to: impl Write) -> io::Result<()> {
    let mut tar = TarWriter::new(to, None).with_first_ids(first_ids);
    directory(&mut tar, dir, base, 0)?;
    tar.finish()?.flush()
}

/// Writes the children of a directory, as an export has them. Users and groups are counted
/// from `first_ids` on.
pub fn write_children(dir: &Tree, first_ids: (u32, u32), to: impl Write) -> io::Result<()> {
    let mut tar = TarWriter::new(to, None).with_first_ids(first_ids);
    children(&mut tar, dir, b"", 0)?;
    tar.finish()?.flush()
}

/// Writes the one thing that `name` is in `parent`, under the name `base`.
///
/// # Errors
/// `NotFound` when there is none, or it is a socket.
pub fn write_entry(parent: &Tree, name: &OsStr, base: &[u8], first_ids: (u32, u32), to: impl Write) -> io::Result<()> {
    let status = parent.find(name)?.filter(|status| status.kind != Kind::Socket);
    let status = status.ok_or(io::ErrorKind::NotFound)?;
    let mut tar = TarWriter::new(to, None).with_first_ids(first_ids);
    tar.entry(parent, name, base, &status, is_users)?;
    tar.finish()?.flush()
}

fn directory<W: Write>(tar: &mut TarWriter<W>, dir: &Tree, path: &[u8], depth: usize) -> io::Result<()> {
    let xattrs = dir.xattrs()?.into_iter().filter(|(name, _)| is_users(name)).collect();
    tar.directory(path, &dir.status()?, &xattrs)?;
    children(tar, dir, path, depth)
}

fn children<W: Write>(tar: &mut TarWriter<W>, dir: &Tree, path: &[u8], depth: usize) -> io::Result<()> {
    if depth > MOST_DEEP {
        return Err(too_deep());
    }
    for name in dir.names()? {
        let mut inner = path.to_vec();
        if !inner.is_empty() && !inner.ends_with(b"/") {
            inner.push(b'/');
        }
        inner.extend(name.as_bytes());
        let Some(status) = dir.find(&name)? else {
            continue;
        };
        let written = match status.kind {
            Kind::Directory => match dir.open_dir(&name) {
                Ok(child) => directory(tar, &child, &inner, depth + 1),
                Err(error) => Err(error),
            },
            _ => tar.entry(dir, &name, &inner, &status, is_users),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Overlayfs's own attributes mean nothing outside of it.
fn is_users(name: &OsStr) -> bool {
    !name.as_bytes().starts_with(b"trusted.overlay.")
}
