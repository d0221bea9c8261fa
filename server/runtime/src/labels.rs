//! What a security module is told to label the program with. runtime-spec, config.md,
//! "Linux Process"; kernel, admin-guide/LSM

use crate::{CreateError, Failure};
use oci_spec::runtime::{Process, Spec};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::{beneath, mount};

/// Refuses labels that no module of this kernel would take.
pub(crate) fn check(process: &Process) -> Result<(), CreateError> {
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
    Ok(())
}

/// `linux.mountLabel`, where SELinux runs: elsewhere it has no meaning.
pub(crate) fn of_mounts(spec: &Spec) -> Option<&str> {
    let label = spec.linux().as_ref()?.mount_label().as_deref()?;
    (!label.is_empty() && runs("selinux")).then_some(label)
}

/// The mount option that labels the files of a new file system, for the types that can be
/// mounted with one. Options of the spec's own come before.
pub(crate) fn mount_option(kind: &str, label: Option<&str>, options: &[String]) -> Option<String> {
    let has_own = options.iter().any(|option| option.contains("context="));
    let takes_one = !matches!(kind, "proc" | "sysfs" | "cgroup" | "cgroup2" | "mqueue");
    let label = label.filter(|_| takes_one && !has_own)?;
    Some(format!("context={label}"))
}

/// Message queues have no such option; their directory is labelled itself.
pub(crate) fn label_queues(kind: &str, label: Option<&str>, tree: &OwnedFd) -> io::Result<()> {
    let Some(label) = label.filter(|_| kind == "mqueue") else {
        return Ok(());
    };
    let dir = beneath::open_dir(tree, Path::new("/"))?;
    sys::xattr::set(&dir, OsStr::new("security.selinux"), label.as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "system_u:object_r:container_file_t:s0:c1,c2";

    #[test]
    fn file_systems_that_take_a_label_get_the_one_of_the_spec() {
        let option = |kind, options: &[&str]| {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            mount_option(kind, Some(LABEL), &options)
        };
        let expected = Some(format!("context={LABEL}"));
        assert_eq!(option("tmpfs", &["mode=755"]), expected);
        assert_eq!(option("devpts", &["newinstance"]), expected);
        assert_eq!(option("tmpfs", &["rootcontext=other"]), None);
        for without in ["proc", "sysfs", "cgroup", "mqueue"] {
            assert_eq!(option(without, &[]), None, "{without}");
        }
        assert_eq!(mount_option("tmpfs", None, &[]), None);
    }
}
