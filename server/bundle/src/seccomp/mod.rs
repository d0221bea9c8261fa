//! Seccomp profiles: which system calls a container may make, as data.
//!
//! A profile is JSON in the format container engines share. It speaks of many
//! architectures, kernels and capabilities at once; [`resolve`] picks what holds for one
//! container and gives the form of the OCI runtime-spec (config-linux.md, "Seccomp"),
//! which the runtime compiles. Our own profile is `default.json`.

mod profile;
mod resolve;

use crate::{BundleError, capabilities};
use model::container::spec::{Seccomp, Security};

pub use profile::{ArchMap, Condition, InvalidProfile, Profile, Rule};
pub use resolve::{Host, Kernel, resolve};

/// The filter of a container with these settings, for `linux.seccomp`; `None` where it
/// is to have none. A privileged container has one only if it brings its own.
pub fn for_container(security: &Security, kernel_release: &str) -> Result<Option<serde_json::Value>, BundleError> {
    let own;
    let profile = match &security.seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default if security.privileged => return Ok(None),
        Seccomp::Default => Profile::standard(),
        Seccomp::Profile(json) => {
            own = Profile::parse(json)?;
            &own
        }
    };
    let caps = capabilities(security)?;
    let resolved = resolve(profile, &caps, Host::native(kernel_release));
    Ok(Some(serde_json::to_value(resolved)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_privileged_container_goes_without() {
        let ordinary = Security::default();
        assert!(for_container(&ordinary, "6.1.0").unwrap().is_some());
        let privileged = Security {
            privileged: true,
            ..Security::default()
        };
        assert!(for_container(&privileged, "6.1.0").unwrap().is_none());
        let wrong = Security {
            seccomp: Seccomp::Profile("{}".into()),
            ..Security::default()
        };
        assert!(for_container(&wrong, "6.1.0").is_err());
    }
}
