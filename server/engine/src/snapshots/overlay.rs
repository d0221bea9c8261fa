//! Overlays: the image's layers, and a writable one.

use super::{Access, Owner, Place, Snapshotter, own_layers};
use crate::disk_use::tree_bytes;
use crate::error::{Doing as _, EngineError};
use image::Written;
use shim_protocol::{Overlay, Root};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use sys::overlay::{Layers, mount_detached};

#[derive(Debug)]
pub(super) struct Overlays {
    pub(super) images: image::Store,
}

fn upper(dir: &Path) -> PathBuf {
    dir.join("upper")
}

fn work(dir: &Path) -> PathBuf {
    dir.join("work")
}

impl Overlays {
    /// The image's layers, topmost first, or what stands for them.
    fn lower(&self, place: &Place) -> Result<Vec<PathBuf>, EngineError> {
        if own_layers::are_made(&place.dir) {
            return Ok(vec![own_layers::place(&place.dir)]);
        }
        if place.chain.is_empty() {
            // An overlay needs something below.
            let nothing = self.images.root(&[]);
            return nothing.map(|root| vec![root]).doing(|| "make an empty root".to_owned());
        }
        Ok(self.images.chain_paths(&place.chain))
    }
}

impl Snapshotter for Overlays {
    fn prepare(&self, place: &Place) -> Result<Root, EngineError> {
        let mut lower = self.lower(place)?;
        let (upper, work) = (upper(&place.dir), work(&place.dir));
        let is_new = make_dir(&upper)
            .and_then(|is_new| make_dir(&work).map(|_| is_new))
            .doing(|| format!("make the writable layer `{}`", upper.display()))?;
        if is_new {
            // An overlay shows its topmost layer's owner and mode.
            let top = lower.first().cloned().unwrap_or_default();
            let done = place.look_like(&upper, &top);
            done.doing(|| format!("give `{}` its owner", upper.display()))?;
        }
        if let Owner::Given(ids) = place.owner {
            lower = vec![own_layers::make(&lower, &place.dir, ids)?];
            own_layers::give(&upper, ids)?;
        }
        Ok(Root::Overlay(Overlay {
            lower,
            upper,
            work,
            mapped: place.owner == Owner::Mapped,
            options: Vec::new(),
        }))
    }

    fn open(&self, place: &Place, access: Access) -> Result<OwnedFd, EngineError> {
        let opened = match access {
            Access::Write => super::open_prepared(&self.prepare(place)?),
            Access::Read => {
                // The writable layer is the topmost of those that are only read: then it
                // harms nobody when the container starts meanwhile.
                let upper = Some(upper(&place.dir)).filter(|upper| upper.is_dir());
                let layers: Vec<PathBuf> = upper.into_iter().chain(self.lower(place)?).collect();
                show(&layers)
            }
        };
        opened.doing(|| format!("mount the files in `{}`", place.dir.display()))
    }

    fn written(&self, place: &Place) -> Result<Written, EngineError> {
        if own_layers::are_made(&place.dir) {
            return Err(EngineError::Conflict(
                "the container has ids of its own on a kernel that cannot map them, so its files stand on a copy of \
                 the image; copy or export them instead"
                    .to_owned(),
            ));
        }
        self.prepare(place)?;
        Ok(Written::Upper(upper(&place.dir)))
    }

    fn is_given(&self, place: &Place) -> bool {
        own_layers::are_made(&place.dir)
    }

    fn disk_bytes(&self, dir: &Path) -> u64 {
        tree_bytes(&upper(dir))
    }
}

fn show(layers: &[PathBuf]) -> io::Result<OwnedFd> {
    match layers {
        [only] => sys::mount::copy_path_detached(only, false),
        several => mount_detached(Layers {
            lower: several,
            upper: None,
            options: &[],
        }),
    }
}

/// Whether it was not there.
fn make_dir(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::HostIds;
    use model::image::Digest;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    /// Where the kernel maps no ids, the layers are copied once and given to the container.
    #[test]
    fn an_image_is_copied_for_ids_that_cannot_be_mapped() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let images = image::Store::open(dir.path()).unwrap();
        let layer = Digest::from_sha256([7; 32]);
        let files = dir.path().join("snapshots").join(layer.hex()).join("fs");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("file"), "text").unwrap();
        let place = Place {
            owner: Owner::Given(HostIds {
                first_user: 100_000,
                first_group: 200_000,
                count: 65_536,
                shared: false,
            }),
            ..Place::new(dir.path().join("container"), vec![layer])
        };
        fs::create_dir(&place.dir).unwrap();
        let overlays = Overlays { images };
        let Root::Overlay(overlay) = overlays.prepare(&place).unwrap() else {
            panic!("an overlay");
        };
        assert_eq!(overlay.lower, [place.dir.join("layers")]);
        assert!(!overlay.mapped);
        for path in [place.dir.join("layers/file"), overlay.upper] {
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.uid(), found.gid()), (100_000, 200_000), "{}", path.display());
        }
        assert!(overlays.is_given(&place));
        let why = overlays.written(&place).unwrap_err().to_string();
        assert!(why.contains("cannot map"), "{why}");
        overlays.open(&place, Access::Read).unwrap();
    }
}
