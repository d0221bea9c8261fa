//! The files a step sees: the layers of its stage, with or without a place for changes.

use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use crate::layout::{make_private_dir, remove_dir};
use crate::snapshots::{Access, Place, discard};
use image::{Layer, Written};
use model::image::Digest;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// What layers show, to be read.
pub(super) fn open_to_read(engine: &Inner, layers: &[Layer]) -> Result<OwnedFd, EngineError> {
    let root = engine.images.open_root(&chain_of(layers));
    root.doing(|| "open the files of a stage".to_owned())
}

/// Where changes to the layers are to lie; it looks like the root it covers.
pub(super) fn place_of(layers: &[Layer], dir: PathBuf) -> Place {
    Place {
        root_as_image: true,
        ..Place::new(dir, chain_of(layers))
    }
}

fn chain_of(layers: &[Layer]) -> Vec<Digest> {
    layers.iter().map(|layer| layer.chain_id.clone()).collect()
}

/// A place where changes to the layers gather. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Changes {
    gathered: Gathered,
    pub(super) root: OwnedFd,
}

impl Changes {
    /// `dir` is made anew.
    pub(super) fn begin(engine: &Arc<Inner>, layers: &[Layer], dir: PathBuf) -> Result<Self, EngineError> {
        make_private_dir(&dir).doing(|| format!("make the directory `{}`", dir.display()))?;
        let gathered = Gathered {
            engine: engine.clone(),
            place: place_of(layers, dir),
        };
        let root = engine.snapshots.open(&gathered.place, Access::Write)?;
        Ok(Self { gathered, root })
    }

    /// As a path for functions that take one: the handle keeps it what it is.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_fd().as_raw_fd()))
    }

    /// Lets go of the mount; what was changed.
    pub(super) fn gathered(self) -> Gathered {
        self.gathered
    }
}

/// Changes that nobody adds to any more.
#[derive(Debug)]
pub(super) struct Gathered {
    engine: Arc<Inner>,
    place: Place,
}

impl Gathered {
    pub(super) fn written(&self) -> Result<Written, EngineError> {
        self.engine.snapshots.written(&self.place)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let dir = &self.place.dir;
        if let Err(error) = discard(dir).and_then(|()| remove_dir(dir)) {
            tracing::warn!(%error, dir = %self.place.dir.display(), "the work of a build step is left until the next start");
        }
    }
}
