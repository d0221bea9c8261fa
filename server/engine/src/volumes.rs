//! Volumes: places for data that outlive containers.

use crate::blocking::blocking;
use crate::clock;
use crate::engine::{Engine, Inner};
use crate::error::{Doing, EngineError};
use crate::journal::Facts;
use crate::layout::{make_private_dir, remove_dir};
use model::Timestamp;
use model::container::{ContainerId, Spec};
use model::event::{Action, Subject};
use model::mount::{Source, is_volume_name};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub created: Timestamp,
    /// Made for one container, without a name of its own.
    pub anonymous: bool,
    pub labels: Vec<(String, String)>,
    pub path: PathBuf,
    pub used_by: Vec<ContainerId>,
}

/// Where a volume of a spec lies.
#[derive(Debug, Clone)]
pub(crate) struct VolumePath {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Engine {
    /// By name.
    pub async fn volumes(&self) -> Result<Vec<Volume>, EngineError> {
        let rows = store::volumes::list(&mut *self.inner.database().read().await?).await?;
        Ok(rows.into_iter().map(|row| self.inner.show_volume(row)).collect())
    }

    pub async fn volume(&self, name: &str) -> Result<Volume, EngineError> {
        let row = store::volumes::find(&mut *self.inner.database().read().await?, name).await?;
        row.map(|row| self.inner.show_volume(row))
            .ok_or_else(|| no_volume(name))
    }

    /// What each volume takes on the disk; takes as long as they have files.
    pub async fn volume_bytes(&self, volumes: &[Volume]) -> Result<Vec<u64>, EngineError> {
        let paths: Vec<PathBuf> = volumes.iter().map(|volume| volume.path.clone()).collect();
        blocking("count what is in volumes", move || {
            Ok(paths.iter().map(|path| crate::disk_use::tree_bytes(path)).collect())
        })
        .await
    }

    /// Makes a volume; without a name it gets one of 64 digits. One that is there is answered as it is.
    pub async fn create_volume(
        &self,
        name: Option<String>,
        labels: Vec<(String, String)>,
    ) -> Result<Volume, EngineError> {
        let anonymous = name.is_none();
        let name = name.unwrap_or_else(|| ContainerId::from_random(rand::random()).as_str().to_owned());
        if !is_volume_name(&name) {
            let mistake = model::mount::InvalidMount::VolumeName(name);
            return Err(EngineError::invalid("name", mistake));
        }
        self.inner.ensure_volume(&name, anonymous, labels).await?;
        self.volume(&name).await
    }

    /// Removes a volume and what is in it. Refused while a container has it.
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let volume = self.volume(name).await?;
        if !volume.used_by.is_empty() {
            return Err(EngineError::InUse {
                what: "volume",
                name: name.to_owned(),
                by: self.inner.names_of(&volume.used_by),
            });
        }
        self.inner.remove_volume(name).await
    }
}

impl Inner {
    fn show_volume(&self, row: store::volumes::Volume) -> Volume {
        let uses = |spec: &Spec| volume_names(spec).any(|name| name == row.name);
        let used_by = self
            .containers
            .views()
            .into_iter()
            .filter(|container| uses(&container.spec))
            .map(|container| container.id.clone())
            .collect();
        Volume {
            path: self.layout.volume(&row.name),
            created: row.created,
            anonymous: row.anonymous,
            labels: row.labels,
            name: row.name,
            used_by,
        }
    }

    /// The names of containers, for people.
    pub(crate) fn names_of(&self, ids: &[ContainerId]) -> Vec<String> {
        ids.iter()
            .filter_map(|id| self.containers.view(id).ok())
            .map(|container| format!("container `{}`", container.spec.name))
            .collect()
    }

    /// The volumes of a spec, each made if it is not there.
    pub(crate) async fn volumes_of(&self, spec: &Spec) -> Result<Vec<VolumePath>, EngineError> {
        let mut paths: Vec<VolumePath> = Vec::new();
        for name in volume_names(spec) {
            if paths.iter().any(|known| known.name == name) {
                continue;
            }
            self.ensure_volume(name, is_anonymous(name), Vec::new()).await?;
            paths.push(VolumePath {
                name: name.to_owned(),
                path: self.layout.volume(name),
            });
        }
        Ok(paths)
    }

    async fn ensure_volume(
        &self,
        name: &str,
        anonymous: bool,
        labels: Vec<(String, String)>,
    ) -> Result<(), EngineError> {
        let path = self.layout.volume(name);
        // The directory first: a row promises it. A directory without a row is an
        // empty one, and is taken over.
        blocking("make a volume", move || {
            if path.is_dir() {
                return Ok(());
            }
            make_private_dir(&path)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
                .doing(|| format!("make the directory `{}`", path.display()))
        })
        .await?;
        if store::volumes::find(&mut *self.database().read().await?, name)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let mut change = self.journal.change().await?;
        let row = store::volumes::Volume {
            name: name.to_owned(),
            created: clock::now(),
            anonymous,
            labels,
        };
        match store::volumes::insert(change.db(), &row).await {
            Ok(()) => {}
            // Another was quicker.
            Err(store::StoreError::Taken { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        change
            .event(Subject::Volume(name.to_owned()), Action::Create, facts(row.labels))
            .await?;
        change.commit(|| {}).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let path = self.layout.volume(name);
        blocking("remove a volume", move || {
            remove_dir(&path).doing(|| format!("remove the directory `{}`", path.display()))
        })
        .await?;
        let mut change = self.journal.change().await?;
        let row = store::volumes::find(change.db(), name).await?;
        if store::volumes::remove(change.db(), name).await? {
            let labels = row.map(|row| row.labels).unwrap_or_default();
            change
                .event(Subject::Volume(name.to_owned()), Action::Destroy, facts(labels))
                .await?;
        }
        change.commit(|| {}).await
    }

    /// Those of a spec that have no name of their own and no other user.
    pub(crate) async fn remove_anonymous_volumes(&self, spec: &Spec) -> Result<(), EngineError> {
        for name in volume_names(spec) {
            let row = store::volumes::find(&mut *self.database().read().await?, name).await?;
            let Some(row) = row.filter(|row| row.anonymous) else {
                continue;
            };
            if self.show_volume(row).used_by.is_empty() {
                self.remove_volume(name).await?;
            }
        }
        Ok(())
    }
}

fn volume_names(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Volume { name, .. } => Some(name.as_str()),
        Source::Bind { .. } | Source::Tmpfs { .. } => None,
    })
}

/// The engine makes names of 64 digits for volumes that were given none.
pub(crate) fn is_anonymous(name: &str) -> bool {
    ContainerId::parse(name).is_ok()
}

/// What events of a volume tell.
fn facts(labels: Vec<(String, String)>) -> Facts {
    Facts {
        attributes: vec![("driver".to_owned(), "local".to_owned())],
        labels,
    }
}

fn no_volume(name: &str) -> EngineError {
    EngineError::NotFound {
        what: "volume",
        name: name.to_owned(),
    }
}
