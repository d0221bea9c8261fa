//! Files of a container's own, that begin as its image's: how they are made, shown, told
//! beside the image's, and taken away.
//!
//! | | what is made | what a start costs | what was changed |
//! | --- | --- | --- | --- |
//! | `overlay` | a writable layer | nothing | all that lies in it |
//! | `btrfs` | a snapshot of a subvolume that holds the image | nothing; the first of an image its copy | compared with the image |
//! | `copy` | a copy of the image | at the first start the copy | compared with the image |
//!
//! A data directory has one of them, chosen at the first start: [`choice`]. Layers lie on
//! the disk the same for all.

mod btrfs;
mod choice;
mod copy;
mod overlay;
mod own_layers;
mod tree;

pub(crate) use choice::choose;
pub(crate) use own_layers::give;
pub(crate) use tree::discard;

use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use image::{ChangeKind, RootForm, Written};
use model::Snapshotter as Kind;
use model::container::{ContainerId, HostIds};
use model::image::Digest;
use model::snapshotter::Choice;
use shim_protocol::Root;
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Where the files of one container, or of one step of a build, lie, and on what.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Also of much else; the names in it are chosen here.
    pub(crate) dir: PathBuf,
    /// The layers below, lowest first.
    pub(crate) chain: Vec<Digest>,
    pub(crate) owner: Owner,
    /// Owner and mode of the root directory are the image's; else root's, and open to all.
    pub(crate) root_as_image: bool,
}

/// Whose the files are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// As the image has them.
    Image,
    /// The same, and seen through the ids of a user namespace.
    Mapped,
    /// Given to the ids of a user namespace, where the kernel cannot map them.
    Given(HostIds),
}

impl Owner {
    /// Of a container of these ids.
    pub(crate) fn of(ids: Option<HostIds>, can_map: bool) -> Self {
        match ids {
            None => Self::Image,
            Some(_) if can_map => Self::Mapped,
            Some(ids) => Self::Given(ids),
        }
    }

    /// Who has what is made on the disk, if others than on the inside.
    pub(crate) fn given(self) -> Option<HostIds> {
        match self {
            Self::Given(ids) => Some(ids),
            Self::Image | Self::Mapped => None,
        }
    }
}

impl Place {
    /// Files that the disk has as the image.
    pub(crate) fn new(dir: PathBuf, chain: Vec<Digest>) -> Self {
        Self {
            dir,
            chain,
            owner: Owner::Image,
            root_as_image: false,
        }
    }

    /// The root directory begins as the image has it.
    fn look_like(&self, root: &Path, image: &Path) -> io::Result<()> {
        let (mode, uid, gid) = match fs::metadata(image) {
            Ok(below) if self.root_as_image => (below.mode() & 0o7777, below.uid(), below.gid()),
            _ => (0o755, 0, 0),
        };
        std::os::unix::fs::chown(root, Some(uid), Some(gid))?;
        fs::set_permissions(root, Permissions::from_mode(mode))
    }
}

impl Inner {
    /// Of a container of this image and these ids.
    pub(crate) async fn place_of(
        &self,
        id: &ContainerId,
        image: &Digest,
        ids: Option<HostIds>,
    ) -> Result<Place, EngineError> {
        let chain = self.image_chain(image).await?;
        Ok(Place {
            owner: Owner::of(ids, self.ids.can_map()),
            ..Place::new(self.layout.container(id).dir, chain)
        })
    }
}

/// What files are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// That a container writes to them meanwhile harms nobody.
    Read,
    /// Nobody else may write to them.
    Write,
}

/// One way to have files.
pub(crate) trait Snapshotter: Debug + Send + Sync {
    /// Makes them, unless they are there. What the runtime is given as the root.
    fn prepare(&self, place: &Place) -> Result<Root, EngineError>;

    /// As a mount that is attached nowhere. To write, they are made first.
    fn open(&self, place: &Place, access: Access) -> Result<OwnedFd, EngineError>;

    /// What was written, to make a layer of.
    ///
    /// # Errors
    /// It cannot be told beside the image.
    fn written(&self, place: &Place) -> Result<Written, EngineError>;

    /// Whether the files belong to the ids of a user namespace on the disk.
    fn is_given(&self, place: &Place) -> bool;

    /// What they take on the disk, and would be free without them.
    fn disk_bytes(&self, dir: &Path) -> u64;
}

/// The way of this data directory.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) choice: Choice,
    way: Box<dyn Snapshotter>,
}

impl Snapshots {
    /// `images` has the form of roots that [`root_form`] says.
    pub(crate) fn new(choice: Choice, images: &image::Store, data: &Path) -> Self {
        let images = images.clone();
        let way: Box<dyn Snapshotter> = match choice.snapshotter {
            Kind::Overlay => Box::new(overlay::Overlays { images }),
            Kind::Btrfs => Box::new(tree::Trees {
                images,
                maker: btrfs::Subvolumes,
            }),
            Kind::Copy => Box::new(tree::Trees {
                images,
                maker: copy::Copies::in_dir(data),
            }),
        };
        Self { choice, way }
    }

    pub(crate) fn prepare(&self, place: &Place) -> Result<Root, EngineError> {
        self.way.prepare(place)
    }

    pub(crate) fn open(&self, place: &Place, access: Access) -> Result<OwnedFd, EngineError> {
        self.way.open(place, access)
    }

    pub(crate) fn written(&self, place: &Place) -> Result<Written, EngineError> {
        self.way.written(place)
    }

    /// What the container has changed of its image, as absolute paths in order.
    pub(crate) fn changes(
        &self,
        place: &Place,
        images: &image::Store,
        mount_points: &[PathBuf],
    ) -> Result<Vec<(PathBuf, ChangeKind)>, EngineError> {
        let found = match self.way.written(place)? {
            Written::Upper(upper) => image::changes(&upper, &images.chain_paths(&place.chain), mount_points),
            Written::Tree(tree) => image::changes_of_tree(&tree, mount_points),
        };
        found.doing(|| "compare a container with its image".to_owned())
    }

    /// What the inside's user and group 0 are on the disk.
    pub(crate) fn first_ids(&self, place: &Place) -> (u32, u32) {
        match place.owner {
            Owner::Given(ids) if self.way.is_given(place) => (ids.first_user, ids.first_group),
            _ => (0, 0),
        }
    }

    pub(crate) fn disk_bytes(&self, dir: &Path) -> u64 {
        self.way.disk_bytes(dir)
    }
}

/// What the image store has to keep for it.
pub(crate) fn root_form(kind: Kind) -> RootForm {
    match kind {
        Kind::Overlay => RootForm::Overlay,
        Kind::Btrfs => RootForm::Subvolume,
        Kind::Copy => RootForm::Links,
    }
}

/// What the runtime is given, looked at by ourselves: as a mount that is attached nowhere.
pub(crate) fn open_prepared(root: &Root) -> io::Result<OwnedFd> {
    match root {
        Root::Overlay(overlay) => sys::overlay::mount_detached(sys::overlay::Layers {
            lower: &overlay.lower,
            upper: Some((&overlay.upper, &overlay.work)),
            options: &overlay.options,
        }),
        Root::Directory { path, .. } => sys::mount::copy_path_detached(path, false),
    }
}
