//! Handing a part of the tree to a system that divides it further. kernel, cgroup-v2,
//! "Delegation"
//!
//! In the v2 tree it gets a group inside the container's: that one has the limits, and
//! what is below it cannot reach them. Of v1 it gets what has no controller, the
//! hierarchy that systemd has for itself: limits of v1 stand in the very group that a
//! container sees as its root.

use crate::control_file;
use crate::error::CgroupError;
use crate::group::{Entry, Group};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The part of the v2 tree that is handed over, inside the container's group.
const INNER: &str = "inner";

/// What belongs to the new owner besides the directory itself, where it is there.
const V1_FILES: [&str; 2] = ["cgroup.procs", "tasks"];
const V2_FILES: [&str; 3] = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

impl Group {
    /// Makes the part that is handed over and opens the doors into it. `owner` is the
    /// user and the group that it belongs to from then on, where that is not the caller.
    ///
    /// The limits must be set before: groups made here inherit them.
    pub fn delegate(&self, owner: Option<(u32, u32)>) -> Result<Entry, CgroupError> {
        let mut entry = self.entry()?;
        if let Some(dir) = self.v2_dir() {
            crate::v2::tree::enable(&dir, &controllers_of(&dir), false)?;
            let inner = dir.join(INNER);
            fs::create_dir_all(&inner).map_err(|source| CgroupError::Make {
                dir: inner.clone(),
                source,
            })?;
            give(&inner, &V2_FILES, owner)?;
            entry.v2 = Some(open(inner)?);
        }
        for dir in self.dirs_without_controllers() {
            give(&dir, &V1_FILES, owner)?;
        }
        Ok(entry)
    }

    /// The doors of a further process, which goes where `pid` is in the v2 tree: a system
    /// may have made it impossible for any to be where it began itself.
    pub fn entry_beside(&self, pid: i32) -> Result<Entry, CgroupError> {
        let mut entry = self.entry()?;
        let memberships = control_file::read(Path::new(&format!("/proc/{pid}/cgroup")))?;
        let path = memberships.lines().find_map(|line| line.strip_prefix("0::/"));
        if let (Some(mount), Some(path)) = (self.v2_mount(), path) {
            entry.v2 = Some(open(mount.join(path))?);
        }
        Ok(entry)
    }
}

/// What the group itself may hand down.
fn controllers_of(dir: &Path) -> Vec<String> {
    let listed = control_file::read_if_there(&dir.join("cgroup.controllers"));
    let listed = listed.ok().flatten().unwrap_or_default();
    listed.split_ascii_whitespace().map(str::to_owned).collect()
}

fn open(dir: PathBuf) -> Result<OwnedFd, CgroupError> {
    match File::open(&dir) {
        Ok(opened) => Ok(opened.into()),
        Err(source) => Err(CgroupError::Open { dir, source }),
    }
}

fn give(dir: &Path, files: &[&str], owner: Option<(u32, u32)>) -> Result<(), CgroupError> {
    let Some((user, group)) = owner else { return Ok(()) };
    let all = std::iter::once(dir.to_owned()).chain(files.iter().map(|name| dir.join(name)));
    for path in all.filter(|path| path.exists()) {
        std::os::unix::fs::chown(&path, Some(user), Some(group))
            .map_err(|source| CgroupError::Give { path, source })?;
    }
    Ok(())
}
