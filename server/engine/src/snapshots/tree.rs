//! A directory of the container's own, with everything in it: what btrfs and plain copies
//! have in common. What was changed is found by comparing it with the image's root.

use super::{Access, Owner, Place, Snapshotter};
use crate::error::{Doing as _, EngineError};
use crate::layout::remove_dir;
use image::{Written, WrittenTree};
use model::container::HostIds;
use shim_protocol::Root;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use sys::copy_tree::{Owners, copy_for};

/// How a tree comes from an image's root.
pub(super) trait Maker: std::fmt::Debug + Send + Sync {
    /// Makes the directory `to`, which is not there, of what `root` has.
    fn make(&self, root: &Path, to: &Path) -> io::Result<()>;

    /// Whether what was not changed takes no room of its own.
    fn shares(&self) -> bool;
}

#[derive(Debug)]
pub(super) struct Trees<M> {
    pub(super) images: image::Store,
    pub(super) maker: M,
}

fn files(dir: &Path) -> PathBuf {
    dir.join("files")
}

/// Its time is that of the making, as the file system counts: what was changed later is not
/// as it was made. It holds the ids that the files were given to, if they were.
fn mark(dir: &Path) -> PathBuf {
    dir.join("files.made")
}

impl<M: Maker> Trees<M> {
    fn make(&self, place: &Place) -> Result<PathBuf, EngineError> {
        let done = files(&place.dir);
        if done.is_dir() {
            return Ok(done);
        }
        let root = self.root(place)?;
        let begun = done.with_extension("new");
        let made = (|| {
            remove_dir(&begun)?;
            match place.owner {
                Owner::Given(ids) => {
                    fs::create_dir(&begun)?;
                    copy_for(File::open(&root)?, File::open(&begun)?, owners(ids))?;
                }
                Owner::Image | Owner::Mapped => {
                    self.maker.make(&root, &begun)?;
                    if !place.root_as_image {
                        place.look_like(&begun, &root)?;
                    }
                }
            }
            let given = place.owner.given();
            fs::write(mark(&place.dir), given.map(|ids| ids.to_string()).unwrap_or_default())?;
            fs::rename(&begun, &done)
        })();
        made.doing(|| format!("make a container's files `{}` of `{}`", done.display(), root.display()))?;
        Ok(done)
    }

    fn root(&self, place: &Place) -> Result<PathBuf, EngineError> {
        let root = self.images.root(&place.chain);
        root.doing(|| "put the layers of an image together".to_owned())
    }

    fn made(place: &Place) -> Option<(i64, u32)> {
        let found = fs::metadata(mark(&place.dir)).ok()?;
        Some((found.mtime(), u32::try_from(found.mtime_nsec()).unwrap_or(0)))
    }
}

impl<M: Maker> Snapshotter for Trees<M> {
    fn prepare(&self, place: &Place) -> Result<Root, EngineError> {
        Ok(Root::Directory {
            path: self.make(place)?,
            mapped: place.owner == Owner::Mapped,
        })
    }

    fn open(&self, place: &Place, access: Access) -> Result<OwnedFd, EngineError> {
        let path = match access {
            Access::Write => self.make(place)?,
            Access::Read if files(&place.dir).is_dir() => files(&place.dir),
            Access::Read => self.root(place)?,
        };
        let opened = sys::mount::copy_path_detached(&path, false).and_then(|tree| {
            if access == Access::Read {
                sys::mount::change(&tree, sys::mount::READ_ONLY, 0, false)?;
            }
            Ok(tree)
        });
        opened.doing(|| format!("open the files in `{}`", path.display()))
    }

    fn written(&self, place: &Place) -> Result<Written, EngineError> {
        let base = self.root(place)?;
        let tree = files(&place.dir);
        // Without a time, everything is compared whole.
        let made = Self::made(place).unwrap_or((i64::MIN, 0));
        let first_ids = match place.owner {
            Owner::Given(ids) if self.is_given(place) => (ids.first_user, ids.first_group),
            _ => (0, 0),
        };
        let written = if tree.is_dir() {
            WrittenTree {
                tree,
                base,
                made,
                first_ids,
            }
        } else {
            // Nobody wrote anything yet.
            WrittenTree {
                tree: base.clone(),
                base,
                made: (i64::MAX, 0),
                first_ids: (0, 0),
            }
        };
        Ok(Written::Tree(written))
    }

    fn is_given(&self, place: &Place) -> bool {
        fs::metadata(mark(&place.dir)).is_ok_and(|found| found.len() > 0)
    }

    fn disk_bytes(&self, dir: &Path) -> u64 {
        let since = if self.maker.shares() {
            let found = fs::metadata(mark(dir)).ok();
            found.map(|found| (found.mtime(), found.mtime_nsec()))
        } else {
            None
        };
        bytes_since(&files(dir), since, &mut HashSet::new())
    }
}

/// Takes away at once what can go so: a subvolume, whatever is in it. The rest of the
/// directory goes like any.
pub(crate) fn discard(dir: &Path) -> io::Result<()> {
    let files = files(dir);
    if files.is_dir() && sys::btrfs::is_subvolume(&files)? {
        sys::btrfs::remove_subvolume(&files)?;
    }
    Ok(())
}

fn owners(ids: HostIds) -> Owners {
    Owners {
        first_user: ids.first_user,
        first_group: ids.first_group,
        count: ids.count,
    }
}

/// On the disk, of what was changed since, or of all; a file of several names counts once.
fn bytes_since(path: &Path, since: Option<(i64, i64)>, seen: &mut HashSet<u64>) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    let is_new = since.is_none_or(|since| (found.ctime(), found.ctime_nsec()) >= since);
    let is_first = found.is_dir() || found.nlink() < 2 || seen.insert(found.ino());
    let own = if is_new && is_first { found.blocks() * 512 } else { 0 };
    if !found.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    own + entries
        .map(|entry| bytes_since(&entry.path(), since, seen))
        .sum::<u64>()
}
