//! What init judges before it touches anything, for fuzzing.

use super::{annotation_of, destination, has_reaper, options::Options, user_of};
use crate::Failure;
use oci_spec::runtime::Spec;

pub(crate) fn judge(spec: &Spec) -> Result<(), Failure> {
    for mount in spec.mounts().iter().flatten() {
        destination::check(mount)?;
        let _ = Options::parse(mount.options().as_deref().unwrap_or_default());
        let _ = crate::sources::binds(mount);
    }
    let _ = has_reaper(spec);
    let _ = annotation_of(spec, bundle::annotation::GROUPS);
    let _ = spec.process().as_ref().and_then(user_of);
    Ok(())
}
