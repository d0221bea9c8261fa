//! What the caller opens for init: file systems that it could not reach, or not map,
//! as the users of its own user namespace.

use crate::channel::{Channel, Said};
use crate::ids::IdMaps;
use crate::init::options::Options;
use crate::namespaces::Namespaces;
use crate::{CreateError, Failure, Rootfs};
use oci_spec::runtime::{Mount, Spec};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::clone::{Birth, Cloned};
use sys::mount::{self, Propagation};
use sys::namespace;

/// Trees that are attached nowhere yet.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) root: Option<OwnedFd>,
    /// By the place of the mount in the spec.
    mounts: Vec<Option<OwnedFd>>,
}

impl Sources {
    pub(crate) fn open(
        spec: &Spec,
        bundle: &Path,
        rootfs: &Rootfs,
        namespaces: &Namespaces,
        ids: Option<&IdMaps>,
    ) -> Result<Self, CreateError> {
        let users = Users::of(namespaces, ids)?;
        let root = match rootfs {
            Rootfs::Directory if users.opens_all => {
                let path = bundle.join(root_path(spec));
                Some(copy(&path, true, "open the root filesystem")?)
            }
            Rootfs::Directory => None,
            Rootfs::Own { path, mapped } => {
                let tree = copy(path, false, "open the root filesystem")?;
                if let Some(users) = users.namespace.as_ref().filter(|_| *mapped) {
                    mount::map_ids(&tree, users, false)
                        .map_err(CreateError::system("show the root filesystem with mapped ids"))?;
                }
                Some(tree)
            }
            Rootfs::Overlay {
                lower,
                upper,
                work,
                mapped,
                options,
            } => {
                let layers = sys::overlay::Layers {
                    lower,
                    upper: Some((upper, work)),
                    options,
                };
                let mounted = match users.namespace.as_ref().filter(|_| *mapped) {
                    None => sys::overlay::mount_detached(layers).map_err(CreateError::system(OVERLAY))?,
                    Some(users) => mapped_overlay(layers, users, ids)?,
                };
                Some(mounted)
            }
        };
        let mounts = spec.mounts().iter().flatten();
        let mounts = mounts
            .map(|wanted| users.open(wanted, bundle))
            .collect::<Result<_, _>>()?;
        Ok(Self { root, mounts })
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.root
            .iter()
            .chain(self.mounts.iter().flatten())
            .map(|tree| tree.as_fd())
    }

    pub(crate) fn take(&mut self, place: usize) -> Option<OwnedFd> {
        self.mounts.get_mut(place)?.take()
    }
}

const OVERLAY: &str = "mount the overlay of the root filesystem";

pub(crate) fn root_path(spec: &Spec) -> PathBuf {
    spec.root()
        .as_ref()
        .map_or_else(|| "rootfs".into(), |root| root.path().clone())
}

/// Whether a mount binds, and then whether with all below.
pub(crate) fn binds(wanted: &Mount) -> Option<bool> {
    let options = wanted.options().as_deref().unwrap_or_default();
    let has = |name: &str| options.iter().any(|option| option == name);
    let typed = wanted.typ().as_deref() == Some("bind");
    (has("rbind") || has("bind") || typed).then(|| has("rbind") || !has("bind"))
}

struct Users {
    own: bool,
    /// Init can open nothing of the host: it has other users, or joins a mount namespace.
    opens_all: bool,
    /// Maps as the container's users are.
    namespace: Option<OwnedFd>,
}

impl Users {
    fn of(namespaces: &Namespaces, ids: Option<&IdMaps>) -> Result<Self, CreateError> {
        let joined = namespaces.joined.iter().find(|(kind, _)| *kind == namespace::USER);
        let namespace = match (joined, ids) {
            (Some((_, handle)), _) => Some(handle.try_clone()),
            (None, Some(ids)) => Some(ids.namespace()),
            (None, None) => None,
        };
        Ok(Self {
            own: namespaces.has_own_users(),
            opens_all: namespaces.has_own_users() || namespaces.joins(namespace::MOUNT),
            namespace: namespace
                .transpose()
                .map_err(CreateError::system("make a user namespace"))?,
        })
    }

    /// The tree of a bind that init could not open or map; `None` for the rest.
    fn open(&self, wanted: &Mount, bundle: &Path) -> Result<Option<OwnedFd>, CreateError> {
        let options = wanted.options().as_deref().unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option == name);
        let shown = wanted.destination().display();
        let lists = (wanted.uid_mappings().as_deref(), wanted.gid_mappings().as_deref());
        let own_maps = IdMaps::from_lists(&format!("mount {shown}"), lists.0, lists.1)?;
        let maps = own_maps.is_some() || has("idmap") || has("ridmap");
        let Some(recursive) = binds(wanted) else {
            if maps {
                return Err(CreateError::Bundle(format!(
                    "mount `{shown}` maps ids, which is for binds"
                )));
            }
            return Ok(None);
        };
        // Init's own view of the host receives mounts and sends none. The host is reached
        // through what is opened here; never for users of a user namespace.
        let propagation = Options::parse(options).propagation;
        let shares = !self.own && matches!(propagation, Some((Propagation::Shared, _)));
        if !self.opens_all && !maps && !shares {
            return Ok(None);
        }
        let path = bundle.join(wanted.source().clone().unwrap_or_default());
        let tree = if shares {
            open(&path, recursive, "open the source of a mount")?
        } else {
            copy(&path, recursive, "open the source of a mount")?
        };
        if maps {
            let made = own_maps
                .map(|maps| maps.namespace().map_err(CreateError::system("make a user namespace")))
                .transpose()?;
            let users = made.as_ref().or(self.namespace.as_ref()).ok_or_else(|| {
                CreateError::Bundle(format!(
                    "mount `{shown}` is to map ids, but neither it nor the container has mappings"
                ))
            })?;
            // Mounts below are mapped by `ridmap` alone. runtime-spec, config.md, "Mounts"
            mount::map_ids(&tree, users, has("ridmap")).map_err(|error| {
                CreateError::Bundle(format!(
                    "mount `{shown}` cannot map the ids of `{}`, whose file system may not have that: {error}",
                    path.display()
                ))
            })?;
        }
        Ok(Some(tree))
    }
}

/// A copy in the peer groups of the host's mounts: what is mounted in either appears in the
/// other. mount_namespaces(7), "Shared subtrees"
fn open(path: &Path, recursive: bool, deed: &'static str) -> Result<OwnedFd, CreateError> {
    mount::copy_path_detached(path, recursive).map_err(|error| {
        let source = io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
        CreateError::System { deed, source }
    })
}

fn copy(path: &Path, recursive: bool, deed: &'static str) -> Result<OwnedFd, CreateError> {
    let tree = open(path, recursive, deed)?;
    // What is mounted in there later arrives, and nothing goes back.
    mount::set_propagation(&tree, Propagation::Slave, true).map_err(CreateError::system(deed))?;
    Ok(tree)
}

/// An overlay whose layers are seen through the container's ids. The layers are mapped
/// where they lie, in a mount namespace that ends with its one process: older kernels
/// take no layer that is attached nowhere.
///
/// Who mounts an overlay writes to its layers for all others, so it has to be somebody
/// whom the mapped layers know: the container's root.
fn mapped_overlay(
    layers: sys::overlay::Layers<'_>,
    users: &OwnedFd,
    ids: Option<&IdMaps>,
) -> Result<OwnedFd, CreateError> {
    let (mut ours, mut theirs) = Channel::pair().map_err(CreateError::system("make a socket pair"))?;
    let birth = Birth {
        namespaces: namespace::MOUNT,
        ..Birth::default()
    };
    let pid = match sys::clone::clone(birth).map_err(CreateError::system("clone"))? {
        Cloned::Child => {
            drop(ours);
            let root = ids.and_then(|ids| Some((ids.outside_user(0)?, ids.outside_group(0)?)));
            let outcome = map_layers(layers, users)
                .and_then(|()| root.map_or(Ok(()), |(user, group)| sys::credentials::act_as(user, group)))
                .and_then(|()| sys::overlay::mount_detached(layers));
            match outcome {
                Ok(tree) => drop(theirs.send_root(tree.as_fd())),
                Err(error) => theirs.say_failed(&Failure::io("rootfs", "cannot map the layers")(error)),
            }
            sys::clone::exit_now(0)
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop(theirs);
    let said = ours.listen();
    let _ = sys::children::wait_for(pid);
    match said.map_err(CreateError::system(OVERLAY))? {
        Said::Root(tree) => Ok(tree),
        Said::Failed(failure) => Err(CreateError::Init(failure)),
        _ => Err(CreateError::Vanished),
    }
}

fn map_layers(layers: sys::overlay::Layers<'_>, users: &OwnedFd) -> io::Result<()> {
    mount::isolate_root()?;
    let cover = |dir: &Path| -> io::Result<()> {
        let tree = mount::copy_path_detached(dir, false)?;
        mount::map_ids(&tree, users, false)?;
        mount::attach(&tree, File::open(dir)?)
    };
    for layer in layers.lower {
        cover(layer)?;
    }
    if let Some((upper, work)) = layers.upper {
        // Both in one mount, as overlayfs wants them.
        match (upper.parent(), work.parent()) {
            (Some(one), Some(other)) if one == other => cover(one)?,
            _ => return Err(io::Error::other("the writable layer and its work directory lie apart")),
        }
    }
    Ok(())
}
