//! What a security module is told to label the program with. runtime-spec, config.md,
//! "Linux Process"; kernel, admin-guide/LSM

use crate::{CreateError, Failure};
use oci_spec::runtime::{Process, Spec};
use std::fs;
use std::path::Path;
use sys::{beneath, mount};

/// Refuses labels that no module of this kernel would take.
pub(crate) fn check(spec: &Spec, process: &Process) -> Result<(), CreateError> {
    let refuse = |what: &str, label: &str, module: &str| {
        Err(CreateError::Bundle(format!(
            "{what} is `{label}`, but this kernel does not run {module}"
        )))
    };
    if let Some(profile) = apparmor(process)
        && !runs("apparmor")
    {
        return refuse("process.apparmorProfile", profile, "AppArmor");
    }
    if let Some(label) = selinux(process)
        && !runs("selinux")
    {
        return refuse("process.selinuxLabel", label, "SELinux");
    }
    let mount_label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_deref());
    if let Some(label) = mount_label.filter(|label| !label.is_empty())
        && !runs("selinux")
    {
        return refuse("linux.mountLabel", label, "SELinux");
    }
    Ok(())
}

/// Has the next exec labelled. The kernel's file is reached through a `/proc` of our
/// own: the container's may be something else by now (CVE-2025-52881).
pub(crate) fn set_for_exec(process: &Process) -> Result<(), Failure> {
    let wanted = apparmor(process)
        .map(|profile| ("apparmor/exec", format!("exec {profile}")))
        .into_iter()
        .chain(selinux(process).map(|label| ("exec", label.to_owned())));
    for (file, text) in wanted {
        let failed = |error| Failure::io("label", format!("cannot label the program by `{text}`"))(error);
        let proc = mount::new_detached("proc", "proc", &[], 0).map_err(failed)?;
        let path = Path::new("thread-self/attr").join(file);
        beneath::write(&proc, &path, text.as_bytes()).map_err(failed)?;
    }
    Ok(())
}

fn apparmor(process: &Process) -> Option<&str> {
    let profile = process.apparmor_profile().as_deref()?;
    (!profile.is_empty()).then_some(profile)
}

fn selinux(process: &Process) -> Option<&str> {
    let label = process.selinux_label().as_deref()?;
    (!label.is_empty()).then_some(label)
}

pub(crate) fn runs(module: &str) -> bool {
    let listed = fs::read_to_string("/sys/kernel/security/lsm");
    let listed = listed.is_ok_and(|list| list.trim().split(',').any(|name| name == module));
    listed || (module == "apparmor" && Path::new("/sys/kernel/security/apparmor").exists())
}
