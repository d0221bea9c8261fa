//! The root filesystem: attached, then entered.

use crate::Failure;
use oci_spec::runtime::Spec;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use sys::mount::{self, Propagation};

/// Attaches the root filesystem in this mount namespace alone; gives its handle.
pub(super) fn attach(bundle: &Path, spec: &Spec, detached: Option<OwnedFd>) -> Result<OwnedFd, Failure> {
    let failed = |what: String| Failure::io("rootfs", what);
    mount::isolate_root().map_err(failed("cannot keep mounts from leaving the container".to_owned()))?;
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
    // lies on top of it is not met by paths, which begin below.
    let target = File::open(&path)
        .or_else(|_| File::open(bundle))
        .or_else(|_| File::open("/"))
        .map_err(failed(format!("cannot open `{shown}`")))?;
    mount::attach(&tree, &target).map_err(failed(format!("cannot attach the root filesystem at `{shown}`")))?;
    Ok(tree)
}

/// Makes it `/`.
pub(super) fn enter(root: OwnedFd, spec: &Spec, no_pivot: bool) -> Result<(), Failure> {
    let failed = |what: &'static str| Failure::io("rootfs", what);
    let entered = if no_pivot {
        mount::cover_root(&root)
    } else {
        mount::pivot_into(&root)
    };
    entered.map_err(failed("cannot change the root directory"))?;
    if spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
        mount::change(&root, mount::READ_ONLY, 0, false)
            .map_err(failed("cannot make the root filesystem read-only"))?;
    }
    let wanted = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.rootfs_propagation().as_deref());
    let wanted = match wanted {
        Some("shared" | "rshared") => Some(Propagation::Shared),
        Some("slave" | "rslave") => Some(Propagation::Slave),
        Some("unbindable" | "runbindable") => Some(Propagation::Unbindable),
        _ => None,
    };
    if let Some(propagation) = wanted {
        mount::set_propagation(root.as_fd(), propagation, true).map_err(failed("cannot set rootfsPropagation"))?;
    }
    Ok(())
}
