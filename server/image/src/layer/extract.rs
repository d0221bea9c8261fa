//! A tar into a tree that others change meanwhile.

use super::Limits;
use super::headers::Headers;
use super::heading::Heading;
use super::packing::Unpacked;
use super::unpack::{Placing, link};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use sys::unpack::Root;
use tar::EntryType;

/// Unpacks a tar, packed or not, into the directory `into` of the tree `root`, as `tar`
/// does: names are names, what is there is replaced, and a directory keeps what it
/// has. Nothing leaves the tree, whatever changes in it meanwhile. `owners` says what
/// user and group of the tar become.
///
/// # Errors
/// `IsADirectory` when something else would replace a directory and `keep_directories`
/// is set; the message names the entry.
pub fn extract(
    from: impl Read,
    root: OwnedFd,
    into: &Path,
    owners: impl Fn((u32, u32)) -> (u32, u32),
    keep_directories: bool,
) -> io::Result<()> {
    let mut root = Root::from_dir(root);
    let limits = Limits::default();
    let mut placing = Placing::within(limits);
    let headers = Headers::within(limits);
    let mut archive = headers.archive(Unpacked::new(from, None, limits)?);
    let mut entries = archive.entries()?;
    while let Some(entry) = headers.next(&mut entries) {
        let mut entry = entry?;
        let name = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", name.display()));
        let mut heading = Heading::of(&mut entry).map_err(named)?;
        let relative = heading.path.strip_prefix("/").unwrap_or(&heading.path).to_owned();
        if relative
            .components()
            .any(|part| part == std::path::Component::ParentDir)
        {
            return Err(named(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a name with `..` leads out of the archive",
            )));
        }
        let attributes = &mut heading.attributes;
        (attributes.uid, attributes.gid) = owners((attributes.uid, attributes.gid));
        heading.path = into.join(&relative);
        let is_directory = entry.header().entry_type() == EntryType::Directory;
        if keep_directories && !is_directory && root.is_directory(&heading.path).map_err(named)? {
            return Err(named(io::ErrorKind::IsADirectory.into()));
        }
        if is_directory && relative.components().all(|part| part == std::path::Component::CurDir) {
            // The directory that was asked for stays as it is.
            Headers::leave(&mut entry)?;
            continue;
        }
        let target = || link(&entry).map(|target| into.join(target.strip_prefix("/").unwrap_or(&target)));
        if entry.header().entry_type() == EntryType::Link {
            let target = target().map_err(named)?;
            root.hard_link(&heading.path, &target).map_err(named)?;
        } else {
            placing.put(&mut root, &mut entry, heading).map_err(named)?;
        }
        Headers::leave(&mut entry).map_err(named)?;
    }
    placing.finish_directories(&mut root, |_, error| error)
}
