//! The root filesystem: attached, then entered.

use crate::Failure;
use oci_spec::runtime::{Process, Spec};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use sys::mount::{self, Propagation};

/// Attaches the root filesystem in this mount namespace; gives its handle. `own` tells that
/// no other process uses the namespace.
pub(super) fn attach(bundle: &Path, spec: &Spec, detached: Option<OwnedFd>, own: bool) -> Result<OwnedFd, Failure> {
    let failed = |what: String| Failure::io("rootfs", what);
    if own {
        mount::isolate_root().map_err(failed("cannot keep mounts from leaving the container".to_owned()))?;
    }
    let path = bundle.join(crate::sources::root_path(spec));
    let shown = path.display();
    let tree = match detached {
        Some(tree) => tree,
        None => {
            mount::copy_path_detached(&path, true).map_err(failed(format!("cannot use root filesystem `{shown}`")))?
        }
    };
    // Unbound from the host's: what is unmounted here stays there.
    mount::set_propagation(&tree, Propagation::Private, true)
        .map_err(failed(format!("cannot keep `{shown}` to itself")))?;
    // Anywhere will do, and `/` is there for users who may not see the others: what
    // lies on top of it is not met by paths, which begin below. In a namespace of others
    // nothing but the root filesystem itself may be covered.
    let target = File::open(&path)
        .or_else(|error| if own { File::open(bundle) } else { Err(error) })
        .or_else(|error| if own { File::open("/") } else { Err(error) })
        .map_err(failed(format!("cannot open `{shown}`")))?;
    mount::attach(&tree, &target).map_err(failed(format!("cannot attach the root filesystem at `{shown}`")))?;
    Ok(tree)
}

/// How a root filesystem becomes `/`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Pivot,
    /// Where the old root cannot be pivoted away.
    Cover,
    /// For this process alone, in a mount namespace of others.
    ChangeRoot,
}

/// Makes it `/`.
pub(super) fn enter(root: OwnedFd, spec: &Spec, way: Way) -> Result<(), Failure> {
    let failed = |what: &'static str| Failure::io("rootfs", what);
    let entered = match way {
        Way::Pivot => mount::pivot_into(&root),
        Way::Cover => mount::cover_root(&root),
        Way::ChangeRoot => mount::change_root(&root),
    };
    entered.map_err(failed("cannot change the root directory"))?;
    make_working_directory(spec)?;
    if spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
        mount::change(&root, mount::READ_ONLY, 0, false)
            .map_err(failed("cannot make the root filesystem read-only"))?;
    }
    let wanted = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.rootfs_propagation().as_deref());
    // As for the options of mounts, only the forms with `r` concern the mounts below.
    let wanted = match wanted {
        Some("shared") => Some((Propagation::Shared, false)),
        Some("rshared") => Some((Propagation::Shared, true)),
        Some("slave") => Some((Propagation::Slave, false)),
        Some("rslave") => Some((Propagation::Slave, true)),
        Some("unbindable") => Some((Propagation::Unbindable, false)),
        Some("runbindable") => Some((Propagation::Unbindable, true)),
        _ => None,
    };
    if let Some((propagation, recursive)) = wanted {
        mount::set_propagation(root.as_fd(), propagation, recursive).map_err(failed("cannot set rootfsPropagation"))?;
    }
    Ok(())
}

/// Makes a working directory that is missing, while the root filesystem can be written: the
/// specification leaves it open; runc makes it too, and images count on it.
fn make_working_directory(spec: &Spec) -> Result<(), Failure> {
    let Some(cwd) = spec.process().as_ref().map(Process::cwd) else {
        return Ok(());
    };
    let made = sys::beneath::own_root().and_then(|root| match sys::beneath::find(&root, cwd) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            sys::beneath::make_dirs(&root, cwd, 0o755).map(drop)
        }
        // What is in its place, the process is told that enters it.
        _ => Ok(()),
    });
    made.map_err(Failure::io("cwd", format!("cannot make directory `{}`", cwd.display())))
}
