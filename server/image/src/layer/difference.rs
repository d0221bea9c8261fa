//! Two trees that should be the same.

use super::compare::{MOST_DEEP, too_deep};
use super::note::{OPAQUE, note};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree, Xattrs};

/// The first place where they are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: PathBuf,
    pub(crate) what: &'static str,
}

/// Compares names, kinds, owners, modes, times, attributes and content.
pub(crate) fn difference(right: &Path, found: &Path) -> io::Result<Option<Difference>> {
    let (right, found) = (Tree::open(right)?, Tree::open(found)?);
    if let Some(what) =
        other_status(&right.status()?, &found.status()?).or(other_xattrs(&right.xattrs()?, &found.xattrs()?))
    {
        let path = PathBuf::new();
        return Ok(Some(Difference { path, what }));
    }
    directories(&right, &found, Path::new(""), 0, &mut Names::default())
}

fn directories(
    right: &Tree,
    found: &Tree,
    path: &Path,
    depth: usize,
    all: &mut Names,
) -> io::Result<Option<Difference>> {
    if depth > MOST_DEEP {
        return Err(too_deep());
    }
    let names: BTreeSet<_> = right.names()?.into_iter().chain(found.names()?).collect();
    for name in names {
        let path = path.join(&name);
        let differs = |what| {
            Ok(Some(Difference {
                path: path.clone(),
                what,
            }))
        };
        let (status, other) = match (right.find(&name)?, found.find(&name)?) {
            (Some(status), Some(other)) => (status, other),
            (Some(_), None) => return differs("is missing"),
            _ => return differs("should not be there"),
        };
        if let Some(what) = other_status(&status, &other).or_else(|| all.other(&status, &other)) {
            return differs(what);
        }
        let what = match status.kind {
            Kind::Directory => {
                let (dir, other) = (right.open_dir(&name)?, found.open_dir(&name)?);
                if let Some(what) = other_xattrs(&dir.xattrs()?, &other.xattrs()?) {
                    return differs(what);
                }
                if let Some(inner) = directories(&dir, &other, &path, depth + 1, all)? {
                    return Ok(Some(inner));
                }
                None
            }
            Kind::File => {
                let (file, other) = (right.open_file(&name)?, found.open_file(&name)?);
                match other_xattrs(&sys::tree::xattrs(&file)?, &sys::tree::xattrs(&other)?) {
                    Some(what) => Some(what),
                    None => (!same_bytes(file, other)?).then_some("has other content"),
                }
            }
            Kind::Symlink => (right.read_link(&name)? != found.read_link(&name)?).then_some("points elsewhere"),
            _ => other_xattrs(&right.xattrs_of(&name)?, &found.xattrs_of(&name)?),
        };
        if let Some(what) = what {
            return differs(what);
        }
    }
    Ok(None)
}

/// Which files of the one tree are which of the other: further names of a file are to be
/// names of the same file there. How many it has tells nothing, since some may lie outside.
#[derive(Default)]
struct Names {
    right: HashMap<(u64, u64), (u64, u64)>,
    found: HashMap<(u64, u64), (u64, u64)>,
}

impl Names {
    fn other(&mut self, right: &Status, found: &Status) -> Option<&'static str> {
        if right.kind == Kind::Directory || right.links.max(found.links) < 2 {
            return None;
        }
        let (one, other) = (right.identity, found.identity);
        let same = *self.right.entry(one).or_insert(other) == other && *self.found.entry(other).or_insert(one) == one;
        (!same).then_some("has other names too")
    }
}

fn other_status(right: &Status, found: &Status) -> Option<&'static str> {
    let is_dir = right.kind == Kind::Directory;
    if right.kind != found.kind {
        return Some("is something else");
    }
    // Of a whiteout nothing else is ever looked at.
    if right.hides_in_layer() {
        return None;
    }
    if (right.uid, right.gid) != (found.uid, found.gid) {
        return Some("has another owner");
    }
    if right.mode != found.mode {
        return Some("has another mode");
    }
    if !is_dir && right.size_bytes != found.size_bytes {
        return Some("has another length");
    }
    // Of a directory no archive speaks of, the time is that of its making.
    let same_time = (right.modified_s, right.modified_ns) == (found.modified_s, found.modified_ns);
    (!is_dir && !same_time).then_some("has another time")
}

/// Overlayfs's own notes are of no matter, but what it hides is.
fn other_xattrs(right: &Xattrs, found: &Xattrs) -> Option<&'static str> {
    let told = |xattrs: &Xattrs| -> Xattrs {
        let matters = |name: &OsStr| note(name).is_none_or(|note| note == OPAQUE.as_bytes());
        let kept = xattrs.iter().filter(|(name, _)| matters(name));
        kept.cloned().collect()
    };
    (told(right) != told(found)).then_some("has other attributes")
}

pub(super) fn same_bytes(mut right: File, mut found: File) -> io::Result<bool> {
    let (mut one, mut other) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let count = right.read(&mut one)?;
        if count == 0 {
            return Ok(found.read(&mut other)? == 0);
        }
        if found.read_exact(&mut other[..count]).is_err() || one[..count] != other[..count] {
            return Ok(false);
        }
    }
}
