//! Doors for `tests/fuzz`: all that is worked out of a configuration before anything
//! of the container is there, and filters that can be asked.

use crate::ids::IdMaps;
use crate::namespaces::Namespaces;
use crate::{CreateError, init, labels, process, seccomp, sources, sysctl, user};
use oci_spec::runtime::Spec;

pub use crate::seccomp::Program;

/// As `create` does, but for what it opens, makes and mounts.
pub fn plan(spec: &Spec) -> Result<(), CreateError> {
    let process = spec
        .process()
        .as_ref()
        .ok_or_else(|| CreateError::Bundle("it has no process".to_owned()))?;
    let namespaces = Namespaces::of(spec, None)?;
    let ids = IdMaps::of(spec)?;
    if let Some(ids) = &ids {
        let _ = (ids.outside_user(0), ids.outside_group(u32::MAX));
    }
    namespaces.check(spec, ids.as_ref())?;
    for (path, _) in sysctl::of(spec, &namespaces)? {
        assert!(
            !path.starts_with('/') && !path.split('/').any(|part| part == ".."),
            "{path}"
        );
    }
    let _ = crate::namespaces::offsets(spec);
    let _ = sources::root_path(spec);
    seccomp::compile(spec).map_err(CreateError::Init)?;
    process::check(process)?;
    labels::check(process)?;
    let _ = process::capabilities(process, 40);
    let _ = process::rlimits(process);
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let _ = resources.map(bundle::limits);
    init::fuzz::judge(spec).map_err(CreateError::Init)
}

/// User and group that `text` means in these files: what `exec --user` and
/// `process.user.username` are resolved with. `None` where they name nobody.
pub fn user(text: &str, passwd: &str, group: &str) -> Option<(u32, u32)> {
    user::find(text, &[], passwd, group)
        .ok()
        .map(|found| (found.uid, found.gid))
}
