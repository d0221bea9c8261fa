//! A tree that began as another: what of it is new, is another, or is gone.
//!
//! Where nobody notes what is written, the two are compared. A file that was not touched
//! since the tree was made is as it was, which the time of its last change tells, that no
//! program can choose; others are compared whole.

use super::compare::{ChangeKind, MOST_DEEP, too_deep};
use super::difference::same_bytes;
use super::note::note;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree, Xattrs};

/// A tree, and what it began as.
#[derive(Debug, Clone)]
pub struct WrittenTree {
    pub tree: PathBuf,
    pub base: PathBuf,
    /// What was last changed before is as it was in `base`: seconds since 1970 and
    /// nanoseconds, as the file system counts them.
    pub made: (i64, u32),
    /// Users and groups of the tree are counted from these on.
    pub first_ids: (u32, u32),
}

/// A name that differs, with all that differs below it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: OsString,
    pub(super) kind: ChangeKind,
    /// In order of names.
    pub(super) below: Vec<Node>,
}

/// The changes in the root, and whether the root itself is another.
pub(super) fn compare(written: &WrittenTree, mount_points: &[PathBuf]) -> io::Result<(Vec<Node>, bool)> {
    let (tree, base) = (Tree::open(&written.tree)?, Tree::open(&written.base)?);
    let comparing = Comparing { written, mount_points };
    let own = comparing.is_other(&tree.status()?, &base.status()?);
    let below = comparing.directory(&tree, Some(&base), Path::new("/"), 0)?;
    Ok((below, own))
}

/// What the tree changes, as absolute paths in order; a directory counts as modified when
/// something in it is. What was mounted at `mount_points` is no change.
pub fn changes_of_tree(
    written: &WrittenTree,
    mount_points: &[PathBuf],
) -> Result<Vec<(PathBuf, ChangeKind)>, crate::ImageError> {
    let compared = compare(written, mount_points).map_err(crate::ImageError::file("compare", &written.tree));
    let mut found = Vec::new();
    flatten(&compared?.0, Path::new("/"), &mut found);
    Ok(found)
}

fn flatten(nodes: &[Node], path: &Path, found: &mut Vec<(PathBuf, ChangeKind)>) {
    for node in nodes {
        let path = path.join(&node.name);
        found.push((path.clone(), node.kind));
        flatten(&node.below, &path, found);
    }
}

struct Comparing<'a> {
    written: &'a WrittenTree,
    mount_points: &'a [PathBuf],
}

impl Comparing<'_> {
    /// `base` is the same directory there, if there is one.
    fn directory(&self, tree: &Tree, base: Option<&Tree>, path: &Path, depth: usize) -> io::Result<Vec<Node>> {
        if depth > MOST_DEEP {
            return Err(too_deep());
        }
        let mut names: BTreeSet<OsString> = tree.names()?.into_iter().collect();
        if let Some(base) = base {
            names.extend(base.names()?);
        }
        let mut nodes = Vec::new();
        for name in names {
            let found = tree.find(&name)?;
            let before = match base {
                Some(base) => base.find(&name)?,
                None => None,
            };
            let node = match (found, before) {
                (None, None) => None,
                (None, Some(_)) => Some(Node {
                    kind: ChangeKind::Deleted,
                    name,
                    below: Vec::new(),
                }),
                (Some(status), before) => {
                    let place = Place {
                        tree,
                        base,
                        path: path.join(&name),
                        name,
                        depth,
                    };
                    self.entry(place, &status, before.as_ref())?
                }
            };
            nodes.extend(node);
        }
        Ok(nodes)
    }

    fn entry(&self, place: Place<'_>, status: &Status, before: Option<&Status>) -> io::Result<Option<Node>> {
        let node = |kind, below| {
            let name = place.name.clone();
            Some(Node { name, kind, below })
        };
        let kind = match before {
            Some(_) => ChangeKind::Modified,
            None => ChangeKind::Added,
        };
        if status.kind != Kind::Directory {
            let is_mounts = before.is_none() && status.size_bytes == 0 && self.mount_points.contains(&place.path);
            let differs = match before {
                None => !is_mounts,
                Some(before) => self.file_differs(&place, status, before)?,
            };
            return Ok(if differs { node(kind, Vec::new()) } else { None });
        }
        let dir = match place.tree.open_dir(&place.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome?,
        };
        let base = match (place.base, before) {
            (Some(base), Some(before)) if before.kind == Kind::Directory => Some(base.open_dir(&place.name)?),
            _ => None,
        };
        let below = self.directory(&dir, base.as_ref(), &place.path, place.depth + 1)?;
        let own = match (&base, before) {
            (Some(base), Some(before)) => self.dir_differs(&place.path, (&dir, status), (base, before))?,
            // Made for a mount, or on the way to one.
            (None, None) => !below.is_empty() || !self.mount_points.iter().any(|point| point.starts_with(&place.path)),
            _ => true,
        };
        Ok(if own || !below.is_empty() {
            node(kind, below)
        } else {
            None
        })
    }

    /// Of the directory itself, whatever is in it.
    fn dir_differs(&self, path: &Path, found: (&Tree, &Status), before: (&Tree, &Status)) -> io::Result<bool> {
        if self.is_other(found.1, before.1) {
            return Ok(true);
        }
        if !self.is_touched(found.1) {
            return Ok(false);
        }
        if told(found.0.xattrs()?) != told(before.0.xattrs()?) {
            return Ok(true);
        }
        // Where a mount needed a place, the time is of its making.
        let holds_point = self.mount_points.iter().any(|point| point.parent() == Some(path));
        Ok(!holds_point && time(found.1) != time(before.1))
    }

    fn file_differs(&self, place: &Place<'_>, status: &Status, before: &Status) -> io::Result<bool> {
        let is_same = status.kind == before.kind
            && !self.is_other(status, before)
            && status.size_bytes == before.size_bytes
            && time(status) == time(before);
        let (true, Some(base)) = (is_same, place.base) else {
            return Ok(true);
        };
        if !self.is_touched(status) {
            return Ok(false);
        }
        let (tree, name) = (place.tree, &place.name);
        Ok(match status.kind {
            Kind::File => {
                let (file, other) = (tree.open_file(name)?, base.open_file(name)?);
                told(sys::tree::xattrs(&file)?) != told(sys::tree::xattrs(&other)?) || !same_bytes(file, other)?
            }
            Kind::Symlink => tree.read_link(name)? != base.read_link(name)?,
            _ => told(tree.xattrs_of(name)?) != told(base.xattrs_of(name)?),
        })
    }

    fn is_touched(&self, status: &Status) -> bool {
        status.changed >= self.written.made
    }

    fn is_other(&self, status: &Status, before: &Status) -> bool {
        let (user, group) = self.written.first_ids;
        status.mode != before.mode
            || status.uid.checked_sub(user) != Some(before.uid)
            || status.gid.checked_sub(group) != Some(before.gid)
    }
}

struct Place<'a> {
    tree: &'a Tree,
    base: Option<&'a Tree>,
    path: PathBuf,
    name: OsString,
    depth: usize,
}

fn time(status: &Status) -> (i64, u32) {
    (status.modified_s, status.modified_ns)
}

fn told(xattrs: Xattrs) -> Xattrs {
    xattrs.into_iter().filter(|(name, _)| is_told(name)).collect()
}

/// Overlayfs's own notes mean nothing here.
pub(super) fn is_told(name: &OsStr) -> bool {
    note(name).is_none()
}
