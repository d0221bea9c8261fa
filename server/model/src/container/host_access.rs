//! Which containers open the host: from inside one of these, or with its files, a user can
//! become root of the host. Working with them is an administrator's.

use super::ids::UserNamespace;
use super::spec::{Device, NamespaceMode, Seccomp, Security, Spec};
use crate::mount::{Mount, Source};
use crate::network::NetworkMode;
use std::fmt;

/// The capabilities of a container that asks for none: Docker's fourteen.
pub const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The part of the host that a container opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostAccess {
    Privileged,
    /// A bind mount of this path of the host; the Docker socket is one.
    Path(String),
    Device(String),
    /// The namespace of this kind, as `/proc/PID/ns` names it.
    Namespace(&'static str),
    /// Added to [`DEFAULT_CAPABILITIES`].
    Capability(String),
    /// A seccomp filter other than the default one.
    Seccomp,
    /// Paths of `/proc` and `/sys` that are masked or read-only by default.
    KernelPaths,
}

impl fmt::Display for HostAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privileged => f.write_str("a privileged container"),
            Self::Path(path) => write!(f, "a bind mount of the host path `{path}`"),
            Self::Device(path) => write!(f, "the host device `{path}`"),
            Self::Namespace(kind) => write!(f, "the host's {kind} namespace"),
            Self::Capability(name) => write!(f, "the capability `{name}`"),
            Self::Seccomp => f.write_str("a seccomp profile other than the default"),
            Self::KernelPaths => f.write_str("unmasked paths of /proc and /sys"),
        }
    }
}

/// The first part of the host that a container with these settings opens; `None` for a
/// container that is confined.
pub fn host_access(
    security: &Security,
    network: &NetworkMode,
    mounts: &[Mount],
    devices: &[Device],
) -> Option<HostAccess> {
    if security.privileged {
        return Some(HostAccess::Privileged);
    }
    if let Some(path) = mounts.iter().find_map(|mount| match &mount.source {
        Source::Bind { path, .. } => Some(path.clone()),
        Source::Volume { .. } | Source::Tmpfs { .. } => None,
    }) {
        return Some(HostAccess::Path(path));
    }
    if let Some(device) = devices.first() {
        return Some(HostAccess::Device(device.host_path.clone()));
    }
    let namespaces = [
        (*network == NetworkMode::Host, "net"),
        (security.pid == NamespaceMode::Host, "pid"),
        (security.ipc == NamespaceMode::Host, "ipc"),
        (security.uts == NamespaceMode::Host, "uts"),
        (security.cgroup == NamespaceMode::Host, "cgroup"),
        (security.users == UserNamespace::Host, "user"),
    ];
    if let Some((_, kind)) = namespaces.into_iter().find(|(is_host, _)| *is_host) {
        return Some(HostAccess::Namespace(kind));
    }
    let mut added = security.cap_add.iter().map(|name| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
    });
    if let Some(name) = added.find(|name| !DEFAULT_CAPABILITIES.contains(&name.as_str())) {
        return Some(HostAccess::Capability(name));
    }
    if security.seccomp != Seccomp::Default {
        return Some(HostAccess::Seccomp);
    }
    if security.masked_paths.is_some() || security.readonly_paths.is_some() {
        return Some(HostAccess::KernelPaths);
    }
    None
}

impl Spec {
    /// As [`host_access`], of this container.
    pub fn host_access(&self) -> Option<HostAccess> {
        host_access(&self.security, &self.network.mode, &self.mounts, &self.devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(security: &Security) -> Option<HostAccess> {
        host_access(security, &NetworkMode::Bridge, &[], &[])
    }

    #[test]
    fn each_setting_that_opens_the_host_is_named() {
        let with = |change: fn(&mut Security)| {
            let mut security = Security::default();
            change(&mut security);
            confined(&security)
        };
        assert_eq!(with(|_| {}), None);
        for (change, opened) in [
            ((|s| s.privileged = true) as fn(&mut Security), HostAccess::Privileged),
            (|s| s.pid = NamespaceMode::Host, HostAccess::Namespace("pid")),
            (|s| s.ipc = NamespaceMode::Host, HostAccess::Namespace("ipc")),
            (|s| s.uts = NamespaceMode::Host, HostAccess::Namespace("uts")),
            (|s| s.cgroup = NamespaceMode::Host, HostAccess::Namespace("cgroup")),
            (|s| s.users = UserNamespace::Host, HostAccess::Namespace("user")),
            (
                |s| s.cap_add = vec!["CHOWN".into(), "cap_sys_admin".into()],
                HostAccess::Capability("SYS_ADMIN".into()),
            ),
            (|s| s.cap_add = vec!["ALL".into()], HostAccess::Capability("ALL".into())),
            (|s| s.seccomp = Seccomp::Unconfined, HostAccess::Seccomp),
            (|s| s.masked_paths = Some(Vec::new()), HostAccess::KernelPaths),
            (|s| s.readonly_paths = Some(Vec::new()), HostAccess::KernelPaths),
        ] {
            assert_eq!(with(change), Some(opened.clone()), "{opened}");
        }
    }

    #[test]
    fn paths_devices_and_the_network_of_the_host_open_it_and_volumes_do_not() {
        let security = Security::default();
        let of = |network: &NetworkMode, mounts: &[Mount], devices: &[Device]| {
            host_access(&security, network, mounts, devices)
        };
        let bind = Mount::parse("/etc:/host:ro").expect("a mount");
        let volume = Mount::parse("data:/data").expect("a mount");
        let device = Device {
            host_path: "/dev/sda".into(),
            container_path: "/dev/sda".into(),
            access: "r".into(),
        };
        assert_eq!(of(&NetworkMode::None, std::slice::from_ref(&volume), &[]), None);
        assert_eq!(
            of(&NetworkMode::Bridge, &[volume, bind], &[]),
            Some(HostAccess::Path("/etc".into()))
        );
        assert_eq!(
            of(&NetworkMode::Bridge, &[], &[device]),
            Some(HostAccess::Device("/dev/sda".into()))
        );
        assert_eq!(of(&NetworkMode::Host, &[], &[]), Some(HostAccess::Namespace("net")));
    }

    #[test]
    fn a_default_capability_that_is_added_again_opens_nothing() {
        let security = Security {
            cap_drop: vec!["ALL".into()],
            cap_add: vec!["NET_BIND_SERVICE".into(), "CAP_CHOWN".into()],
            ..Security::default()
        };
        assert_eq!(confined(&security), None);
    }
}
