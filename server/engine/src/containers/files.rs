//! What must be in a container's files before its command runs: the working
//! directory, the sources of its binds, the first content of its volumes.

use crate::error::{Doing, EngineError};
use crate::snapshots;
use crate::volumes::VolumePath;
use model::container::{HostIds, Spec};
use model::mount::Source;
use shim_protocol::Root;
use std::fs::{self, File};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

/// The root of the container is looked at through a mount of our own, which nobody else
/// sees and which is gone when this returns: the shim mounts the same directories anew.
///
/// `owner` has what is made on the disk, where that is seen as it is.
pub(crate) fn prepare(
    root: &Root,
    spec: &Spec,
    volumes: &[VolumePath],
    owner: Option<HostIds>,
) -> Result<(), EngineError> {
    make_bind_sources(spec)?;
    let empty = volumes.iter().filter(|volume| is_empty(&volume.path));
    let empty: Vec<&VolumePath> = empty.collect();
    if empty.is_empty() && spec.process.working_dir == "/" {
        return Ok(());
    }
    let root = snapshots::open_prepared(root).doing(|| "mount the container's root filesystem".to_owned())?;
    for volume in empty {
        if let Some(ids) = owner {
            snapshots::give(&volume.path, ids)?;
        }
        fill(&root, spec, volume)?;
    }
    // Docker makes it, too; the runtime would refuse a missing one.
    let dir = sys::beneath::make_dirs(&root, Path::new(&spec.process.working_dir), 0o755)
        .doing(|| format!("make the working directory `{}`", spec.process.working_dir))?;
    match owner {
        Some(ids) => snapshots::give(&PathBuf::from(format!("/proc/self/fd/{}/.", dir.as_raw_fd())), ids),
        None => Ok(()),
    }
}

/// A directory for each bind that may be made.
fn make_bind_sources(spec: &Spec) -> Result<(), EngineError> {
    for mount in &spec.mounts {
        if let Source::Bind { path, create: true, .. } = &mount.source
            && !Path::new(path).exists()
        {
            fs::create_dir_all(path).doing(|| format!("make the bind source `{path}`"))?;
        }
    }
    Ok(())
}

fn is_empty(path: &Path) -> bool {
    File::open(path).is_ok_and(|dir| sys::copy_tree::is_empty(&dir).unwrap_or(false))
}

/// An empty volume begins with what the image has in its place.
fn fill(root: &OwnedFd, spec: &Spec, volume: &VolumePath) -> Result<(), EngineError> {
    let Some(target) = copied_from(spec, &volume.name) else {
        return Ok(());
    };
    let Ok(source) = sys::beneath::open_dir(root, Path::new(target)) else {
        return Ok(());
    };
    let volume_dir = File::open(&volume.path).doing(|| format!("open `{}`", volume.path.display()))?;
    sys::copy_tree::copy_into(source.as_fd(), &volume_dir)
        .doing(|| format!("copy what the image has at `{target}` into volume `{}`", volume.name))
}

/// The first mount of the volume that takes what the image has in its place.
fn copied_from<'s>(spec: &'s Spec, volume: &str) -> Option<&'s str> {
    spec.mounts.iter().find_map(|mount| match &mount.source {
        Source::Volume { name, no_copy: false } if name == volume => Some(mount.target.as_str()),
        Source::Volume { .. } | Source::Bind { .. } | Source::Tmpfs { .. } => None,
    })
}
