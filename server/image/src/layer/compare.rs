//! A writable layer beside the layers below it: what is new, what is another, what is
//! gone, and what only mounts brought.

use super::note::is_opaque;
use crate::ImageError;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree};

/// Deeper trees are refused: each level holds a descriptor.
pub(super) const MOST_DEEP: usize = 400;

/// The layers below.
#[derive(Debug)]
pub(crate) struct Below<'a> {
    roots: Vec<Tree>,
    handles: Vec<File>,
    mount_points: &'a [PathBuf],
}

/// What a path of a writable layer is beside those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

impl<'a> Below<'a> {
    /// `lower` is topmost first. What was mounted at `mount_points` is no change.
    pub(crate) fn open(lower: &[PathBuf], mount_points: &'a [PathBuf]) -> Result<Self, ImageError> {
        let handles = lower.iter();
        let handles = handles.map(|path| File::open(path).map_err(ImageError::file("open", path)));
        let roots = lower.iter();
        let roots = roots.map(|path| Tree::open(path).map_err(ImageError::file("open", path)));
        Ok(Self {
            roots: roots.collect::<Result<_, _>>()?,
            handles: handles.collect::<Result<_, _>>()?,
            mount_points,
        })
    }

    /// What the layers below have at `path`.
    pub(super) fn find(&self, path: &Path) -> Option<Status> {
        if path == Path::new("") {
            return self.roots.first().and_then(|root| root.status().ok());
        }
        let found = self.handles.iter().find_map(|root| {
            let handle = sys::beneath::find_without_links(root, path).ok()?;
            sys::tree::status_of(&handle).ok()
        });
        found.filter(|status| !status.hides_in_layer())
    }

    /// The names in the directory `path`, of all layers below, without what one of them hides.
    fn names(&self, path: &Path) -> io::Result<BTreeSet<OsString>> {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for root in &self.handles {
            let Ok(handle) = sys::beneath::find_without_links(root, path) else {
                continue;
            };
            if !sys::beneath::is_dir(&handle)? {
                break;
            }
            let dir = Tree::from_dir(sys::beneath::open_dir(root, path)?);
            for name in dir.names()? {
                match dir.find(&name)? {
                    Some(status) if status.hides_in_layer() => drop(hidden.insert(name)),
                    Some(_) if !hidden.contains(&name) => drop(names.insert(name)),
                    _ => {}
                }
            }
            if is_opaque(&dir)? {
                break;
            }
        }
        Ok(names)
    }

    /// Whether an empty file was made only for something to be mounted on it.
    pub(super) fn is_mounts(&self, path: &Path) -> bool {
        let absolute = Path::new("/").join(path);
        self.mount_points.contains(&absolute) && self.find(path).is_none()
    }

    /// Whether nothing but mount points brought the directory here.
    pub(super) fn is_of_mounts(&self, dir: &Tree, path: &Path, depth: usize) -> io::Result<bool> {
        let absolute = Path::new("/").join(path);
        let mut points = self.mount_points.iter();
        if depth > MOST_DEEP || !points.any(|point| point.starts_with(&absolute)) {
            return Ok(false);
        }
        for name in dir.names()? {
            let path = path.join(&name);
            let Some(status) = dir.find(&name)? else {
                continue;
            };
            let is_mounts = match status.kind {
                Kind::Directory => self.is_of_mounts(&dir.open_dir(&name)?, &path, depth + 1)?,
                _ => status.size_bytes == 0 && !status.is_whiteout() && self.is_mounts(&path),
            };
            if !is_mounts {
                return Ok(false);
            }
        }
        let status = dir.status()?;
        Ok(match self.find(path) {
            Some(below) => (below.mode, below.uid, below.gid) == (status.mode, status.uid, status.gid),
            None => true,
        })
    }
}

/// What `upper` changes, as absolute paths in order; a directory counts as modified
/// when something in it is.
pub fn changes(
    upper: &Path,
    lower: &[PathBuf],
    mount_points: &[PathBuf],
) -> Result<Vec<(PathBuf, ChangeKind)>, ImageError> {
    let below = Below::open(lower, mount_points)?;
    let root = Tree::open(upper).map_err(ImageError::file("open", upper))?;
    let mut found = Vec::new();
    walk(&below, &root, Path::new(""), 0, &mut found).map_err(ImageError::file("compare", upper))?;
    Ok(found)
}

fn walk(
    below: &Below<'_>,
    dir: &Tree,
    path: &Path,
    depth: usize,
    found: &mut Vec<(PathBuf, ChangeKind)>,
) -> io::Result<()> {
    if depth > MOST_DEEP {
        return Err(too_deep());
    }
    for name in dir.names()? {
        let path = path.join(&name);
        let Some(status) = dir.find(&name)? else {
            continue;
        };
        let was_there = below.find(&path).is_some();
        let absolute = Path::new("/").join(&path);
        let change = if was_there {
            ChangeKind::Modified
        } else {
            ChangeKind::Added
        };
        if status.is_whiteout() {
            if was_there {
                found.push((absolute, ChangeKind::Deleted));
            }
        } else if status.kind == Kind::Directory {
            let child = dir.open_dir(&name)?;
            if below.is_of_mounts(&child, &path, depth)? {
                continue;
            }
            found.push((absolute, change));
            if was_there && is_opaque(&child)? {
                let kept: BTreeSet<OsString> = child.names()?.into_iter().collect();
                let gone = below.names(&path)?.into_iter().filter(|name| !kept.contains(name));
                found.extend(gone.map(|name| (Path::new("/").join(&path).join(name), ChangeKind::Deleted)));
            }
            walk(below, &child, &path, depth + 1, found)?;
        } else if !(status.size_bytes == 0 && below.is_mounts(&path)) {
            found.push((absolute, change));
        }
    }
    Ok(())
}

pub(super) fn too_deep() -> io::Error {
    io::Error::other(format!("directories are nested more than {MOST_DEEP} deep"))
}
