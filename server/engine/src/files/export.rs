//! A container's files as a whole, and what differs from its image.

use super::download::Download;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use crate::snapshots::{Access, Place};
use image::ChangeKind;
use model::container::{ContainerId, Spec};
use std::path::{Path, PathBuf};
use sys::tree::Tree;

/// Where the runtime mounts something in every container.
const ALWAYS_MOUNTED: [&str; 11] = [
    "/proc",
    "/sys",
    "/sys/fs/cgroup",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/console",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
];

impl Engine {
    /// The container's files as a tar, without what is mounted in it.
    pub async fn export(&self, id: &ContainerId) -> Result<Download, EngineError> {
        let (place, spec) = self.place_of(id).await?;
        let engine = self.inner.clone();
        Download::begin(&self.inner, move |to| {
            let root = engine.snapshots.open(&place, Access::Read)?;
            let first_ids = engine.snapshots.first_ids(&place);
            let exported = sys::beneath::open_dir(&root, Path::new("/"))
                .and_then(|root| image::write_children(&Tree::from_dir(root), first_ids, to));
            exported.doing(|| format!("export container `{}`", spec.name))
        })
        .await
    }

    /// What the container has changed of its image, as absolute paths in order.
    pub async fn changes(&self, id: &ContainerId) -> Result<Vec<(PathBuf, ChangeKind)>, EngineError> {
        let (place, spec) = self.place_of(id).await?;
        let engine = self.inner.clone();
        blocking("compare a container with its image", move || {
            engine.snapshots.changes(&place, &engine.images, &mount_points(&spec))
        })
        .await
    }

    async fn place_of(&self, id: &ContainerId) -> Result<(Place, Spec), EngineError> {
        let container = self.inspect(id)?;
        let spec = container.spec.clone();
        let place = self.inner.place_of(id, &spec.image.id, container.ids).await?;
        Ok((place, spec))
    }
}

/// Where something is mounted in the container.
pub(crate) fn mount_points(spec: &Spec) -> Vec<PathBuf> {
    let own = spec.mounts.iter().map(|mount| PathBuf::from(&mount.target));
    ALWAYS_MOUNTED.iter().map(PathBuf::from).chain(own).collect()
}
