//! What overlayfs notes in attributes of its own: as root in `trusted.`, as an
//! ordinary user's in `user.`. kernel, filesystems/overlayfs.rst

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use sys::tree::Tree;

const PREFIXES: [&str; 2] = ["trusted.overlay.", "user.overlay."];
pub(super) const OPAQUE: &str = "opaque";
pub(super) const REDIRECT: &str = "redirect";
pub(super) const METACOPY: &str = "metacopy";

/// The note's name, if an attribute is one of overlayfs's.
pub(super) fn note(name: &OsStr) -> Option<&[u8]> {
    let name = name.as_bytes();
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix.as_bytes()))
}

/// Whether a directory hides what lies below it.
pub(crate) fn is_opaque(dir: &Tree) -> io::Result<bool> {
    let xattrs = dir.xattrs()?;
    let mut all = xattrs.iter();
    Ok(all.any(|(name, value)| note(name) == Some(OPAQUE.as_bytes()) && value == b"y"))
}
