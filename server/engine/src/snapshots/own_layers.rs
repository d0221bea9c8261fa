//! A container's own copy of its image, for hosts that cannot show layers with mapped
//! ids: the same files, given to the ids of its user namespace.
//!
//! What only the host may write (capabilities of programs) is left out.

use crate::error::{Doing, EngineError};
use crate::layout::remove_dir;
use model::container::HostIds;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use sys::copy_tree::Owners;

/// Where it lies, of the container whose directory is `dir`.
pub(super) fn place(dir: &Path) -> PathBuf {
    dir.join("layers")
}

pub(super) fn are_made(dir: &Path) -> bool {
    place(dir).is_dir()
}

/// The one layer that takes the place of `lower`; made at the first start and kept.
pub(super) fn make(lower: &[PathBuf], dir: &Path, ids: HostIds) -> Result<PathBuf, EngineError> {
    let done = place(dir);
    if done.is_dir() {
        return Ok(done);
    }
    let begun = done.with_extension("new");
    remove_dir(&begun)
        .and_then(|()| fs::create_dir(&begun))
        .doing(|| format!("make the directory `{}`", begun.display()))?;
    let owners = Owners {
        first_user: ids.first_user,
        first_group: ids.first_group,
        count: ids.count,
    };
    read_only_root(lower)
        .and_then(|root| sys::copy_tree::copy_for(root, File::open(&begun)?, owners))
        .and_then(|()| fs::rename(&begun, &done))
        .doing(|| format!("copy the image to `{}` for the ids {ids}", done.display()))?;
    Ok(done)
}

/// Gives what belongs to the host's root to the container's.
pub(crate) fn give(path: &Path, ids: HostIds) -> Result<(), EngineError> {
    let given = fs::symlink_metadata(path).and_then(|found| {
        if found.uid() == 0 {
            chown(path, Some(ids.first_user), Some(ids.first_group))?;
        }
        Ok(())
    });
    given.doing(|| format!("give `{}` to the ids {ids}", path.display()))
}

fn read_only_root(lower: &[PathBuf]) -> std::io::Result<OwnedFd> {
    match lower {
        [only] => Ok(File::open(only)?.into()),
        several => sys::overlay::mount_detached(sys::overlay::Layers {
            lower: several,
            upper: None,
            options: &[],
        }),
    }
}
