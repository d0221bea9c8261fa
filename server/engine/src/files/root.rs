//! The root of a container, held open. While it runs, that is the root its first
//! process has, with everything mounted; at rest an overlay of our own, with the
//! volumes and binds in their places, that nobody else sees.

use crate::blocking::blocking;
use crate::containers::keeper::Keeper;
use crate::error::{Doing, EngineError};
use crate::snapshots::Access;
use model::container::Spec;
use model::container::state::InitProcess;
use model::mount::Source;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use sys::private_mounts::{Assembled, Part, assemble};
use tokio::sync::OwnedRwLockReadGuard;

/// A start waits so long for somebody who writes to the files.
const WRITER_PATIENCE: Duration = Duration::from_secs(10);

/// What a container's files are reached by.
#[derive(Debug)]
pub(crate) struct ContainerRoot {
    tree: Held,
    /// What the container's own user and group 0 are on this side.
    pub(super) first_ids: (u32, u32),
    /// Keeps the container from starting on an overlay that is written to.
    _writing: Option<OwnedRwLockReadGuard<()>>,
}

#[derive(Debug)]
enum Held {
    Running(OwnedFd),
    AtRest(Assembled),
}

impl AsFd for ContainerRoot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.tree {
            Held::Running(root) => root.as_fd(),
            Held::AtRest(root) => root.as_fd(),
        }
    }
}

impl Keeper {
    /// Opens the container's root; only the keeper knows whether it runs.
    pub(crate) async fn open_root(&self, to_write: bool) -> Result<ContainerRoot, EngineError> {
        let name = self.name();
        if let Some(init) = self.record.state.init() {
            let root = blocking("open a container's root", move || {
                root_of(&init).doing(|| format!("open the root of container `{name}`"))
            })
            .await?;
            return Ok(ContainerRoot {
                tree: Held::Running(root),
                first_ids: self.record.ids.map_or((0, 0), |ids| (ids.first_user, ids.first_group)),
                _writing: None,
            });
        }
        let writing = if to_write {
            Some(self.files.clone().read_owned().await)
        } else {
            None
        };
        let spec = self.record.spec.clone();
        let place = self.place().await?;
        let volumes = self.engine.volumes_of(&spec).await?;
        let engine = self.engine.clone();
        let (tree, first_ids) = blocking("open a container's root", move || {
            let parts = parts(&spec, &volumes);
            if !parts.is_empty() {
                // Before its first start nothing is there to mount on.
                let root = engine.snapshots.open(&place, Access::Write)?;
                make_targets(&root, &parts).doing(|| format!("make the mount points of container `{name}`"))?;
            }
            let access = if to_write { Access::Write } else { Access::Read };
            let root = engine.snapshots.open(&place, access)?;
            if to_write && spec.read_only_root {
                sys::mount::change(&root, sys::mount::READ_ONLY, 0, false)
                    .doing(|| format!("show the files of container `{name}` read-only"))?;
            }
            let opened = assemble(root, &parts).doing(|| format!("mount the files of container `{name}`"))?;
            // Where the host cannot map ids, they are on the disk as the host has them.
            Ok((opened, engine.snapshots.first_ids(&place)))
        })
        .await?;
        Ok(ContainerRoot {
            tree: Held::AtRest(tree),
            first_ids,
            _writing: writing,
        })
    }

    /// Waits for those who write to the files of the resting container.
    pub(crate) async fn wait_for_writers(&self) -> Result<(), EngineError> {
        let free = self.files.clone().write_owned();
        match tokio::time::timeout(WRITER_PATIENCE, free).await {
            Ok(_) => Ok(()),
            Err(_) => Err(EngineError::Conflict(format!(
                "somebody copies files into container `{}`; start it when that is done",
                self.name()
            ))),
        }
    }
}

/// The root of the process, unless another has its number by now.
fn root_of(init: &InitProcess) -> io::Result<OwnedFd> {
    let root = File::open(format!("/proc/{}/root", init.pid))?;
    match sys::pidfd::open_if_same(init.pid, init.start_ticks)? {
        Some(_) => Ok(root.into()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "its first process has ended")),
    }
}

/// What is there already stays as it is.
fn make_targets(root: &OwnedFd, parts: &[Part]) -> io::Result<()> {
    for part in parts {
        match sys::beneath::find(root, &part.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if part.source.is_dir() {
                    sys::beneath::make_dirs(root, &part.target, 0o755)?
                } else {
                    sys::beneath::make_file(root, &part.target, 0o644)?
                }
            }
            outcome => outcome?,
        };
    }
    Ok(())
}

/// Volumes and binds; what a tmpfs had is gone.
fn parts(spec: &Spec, volumes: &[crate::volumes::VolumePath]) -> Vec<Part> {
    let part = |mount: &model::mount::Mount| {
        let source = match &mount.source {
            Source::Bind { path, .. } => PathBuf::from(path),
            Source::Volume { name, .. } => volumes.iter().find(|volume| volume.name == *name)?.path.clone(),
            Source::Tmpfs { .. } => return None,
        };
        source.exists().then(|| Part {
            source,
            target: PathBuf::from(&mount.target),
            read_only: mount.read_only,
        })
    };
    spec.mounts.iter().filter_map(part).collect()
}
