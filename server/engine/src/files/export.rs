//! A container's files as a whole, and what differs from its image.

use super::download::Download;
use super::root;
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use crate::layout::ContainerDirs;
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
        let (dirs, lower, spec) = self.layers_of(id).await?;
        Download::begin(&self.inner, move |to| {
            let exported = root::mount(&dirs, lower, false, false)
                .and_then(|root| sys::beneath::open_dir(&root, Path::new("/")))
                .and_then(|root| image::write_children(&Tree::from_dir(root), to));
            exported.doing(|| format!("export container `{}`", spec.name))
        })
        .await
    }

    /// What the container has changed of its image, as absolute paths in order.
    pub async fn changes(&self, id: &ContainerId) -> Result<Vec<(PathBuf, ChangeKind)>, EngineError> {
        let (dirs, lower, spec) = self.layers_of(id).await?;
        blocking("compare a container with its image", move || {
            let found = image::changes(&dirs.upper(), &lower, &mount_points(&spec));
            found.doing(|| format!("compare container `{}` with its image", spec.name))
        })
        .await
    }

    async fn layers_of(&self, id: &ContainerId) -> Result<(ContainerDirs, Vec<PathBuf>, Spec), EngineError> {
        let spec = self.inspect(id)?.spec.clone();
        self.refuse_own_layers(id)?;
        let lower = self.inner.image_layers(&spec.image.id).await?;
        Ok((self.inner.layout.container(id), lower, spec))
    }
}

impl Engine {
    /// Where the host cannot map ids, a container of its own ids stands on a copy of its
    /// image, and its writable layer cannot be told beside the image.
    pub(crate) fn refuse_own_layers(&self, id: &ContainerId) -> Result<(), EngineError> {
        if self.inner.layout.container(id).own_layers().is_dir() {
            return Err(EngineError::Conflict(format!(
                "container {} has ids of its own on a kernel that cannot map them, so its files stand on a copy of the image; copy them out instead",
                id.short()
            )));
        }
        Ok(())
    }
}

/// Where something is mounted in the container.
pub(crate) fn mount_points(spec: &Spec) -> Vec<PathBuf> {
    let own = spec.mounts.iter().map(|mount| PathBuf::from(&mount.target));
    ALWAYS_MOUNTED.iter().map(PathBuf::from).chain(own).collect()
}
