//! The files a step sees: the layers of its stage, with or without a place for changes.

use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use crate::layout::remove_dir;
use image::Layer;
use model::image::Digest;
use std::fs::{self, File};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Directories of the layers, topmost first; one that is empty where there are none.
pub(super) fn lower_of(engine: &Inner, layers: &[Layer], empty: &Path) -> Result<Vec<PathBuf>, EngineError> {
    if layers.is_empty() {
        fs::create_dir_all(empty).doing(|| format!("make the directory `{}`", empty.display()))?;
        fs::set_permissions(empty, fs::Permissions::from_mode(0o755))
            .doing(|| format!("open `{}` to all", empty.display()))?;
        return Ok(vec![empty.to_owned()]);
    }
    let chain: Vec<Digest> = layers.iter().map(|layer| layer.chain_id.clone()).collect();
    Ok(engine.images.chain_paths(&chain))
}

/// What layers show, to be read.
pub(super) fn open_to_read(engine: &Inner, layers: &[Layer], work: &Path) -> Result<OwnedFd, EngineError> {
    let lower = lower_of(engine, layers, &work.join("empty"))?;
    if let [only] = &lower[..] {
        return File::open(only)
            .map(OwnedFd::from)
            .doing(|| format!("open `{}`", only.display()));
    }
    sys::overlay::mount_detached(sys::overlay::Layers {
        lower: &lower,
        upper: None,
        options: &[],
    })
    .doing(|| "mount the files of a stage".to_owned())
}

/// A place where changes to the layers gather. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Changes {
    dir: PathBuf,
    pub(super) root: OwnedFd,
}

impl Changes {
    /// `dir` is made anew.
    pub(super) fn begin(engine: &Inner, layers: &[Layer], dir: PathBuf) -> Result<Self, EngineError> {
        let lower = lower_of(engine, layers, &dir.join("empty"))?;
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        prepare_upper(&upper, &lower)?;
        fs::create_dir_all(&work).doing(|| format!("make the directory `{}`", work.display()))?;
        let root = sys::overlay::mount_detached(sys::overlay::Layers {
            lower: &lower,
            upper: Some((&upper, &work)),
            options: &[],
        })
        .doing(|| "mount the files of a stage".to_owned())?;
        Ok(Self { dir, root })
    }

    /// As a path for functions that take one: the handle keeps it what it is.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_fd().as_raw_fd()))
    }

    /// Lets go of the mount; what was changed.
    pub(super) fn into_upper(self) -> Upper {
        Upper { dir: self.dir }
    }
}

/// Changes that nobody adds to any more.
#[derive(Debug)]
pub(super) struct Upper {
    dir: PathBuf,
}

impl Upper {
    pub(super) fn path(&self) -> PathBuf {
        self.dir.join("upper")
    }
}

impl Drop for Upper {
    fn drop(&mut self) {
        if let Err(error) = remove_dir(&self.dir) {
            tracing::warn!(%error, dir = %self.dir.display(), "the work of a build step is left until the next start");
        }
    }
}

/// The directory of changes looks like the root it covers: an overlay shows its owner
/// and mode.
pub(super) fn prepare_upper(upper: &Path, lower: &[PathBuf]) -> Result<(), EngineError> {
    fs::create_dir_all(upper).doing(|| format!("make the directory `{}`", upper.display()))?;
    let (mode, uid, gid) = match lower.first().map(fs::metadata) {
        Some(Ok(below)) => (below.mode() & 0o7777, below.uid(), below.gid()),
        _ => (0o755, 0, 0),
    };
    std::os::unix::fs::chown(upper, Some(uid), Some(gid)).doing(|| format!("give `{}` its owner", upper.display()))?;
    fs::set_permissions(upper, fs::Permissions::from_mode(mode))
        .doing(|| format!("give `{}` its mode", upper.display()))
}
