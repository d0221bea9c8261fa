//! The kernel version and the system calls that every container needs.

use crate::facts::{self, Facts};
use crate::report::{Check, Group, Item, Need};
use std::path::Path;

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
        id,
        group: Group::Kernel,
        title,
        need,
        purpose,
    }
}

const UPGRADE: &str = "install a newer kernel of your distribution and reboot";

pub(crate) fn items(facts: &Facts) -> Vec<Item> {
    vec![version(facts), root(facts), pidfd(), openat2(), memfd(), pressure()]
}

fn version(facts: &Facts) -> Item {
    check(
        "kernel-version",
        "Linux 5.15 or newer",
        Need::Required,
        "clone3 into a cgroup, mount_setattr, cgroup.kill",
    )
    .met(facts.kernel_is(5, 15), &facts.release, UPGRADE)
}

/// CAP_SYS_ADMIN and CAP_NET_ADMIN. linux/capability.h
const NEEDED_CAPABILITIES: [(u32, &str); 2] = [(21, "CAP_SYS_ADMIN"), (12, "CAP_NET_ADMIN")];

/// Root in a container or in a restricted service lacks capabilities.
fn root(facts: &Facts) -> Item {
    let item = check(
        "root",
        "Root",
        Need::Required,
        "creating namespaces, mounts, cgroups and network interfaces",
    );
    if !facts.is_root {
        return item.missing("not root", "run `gantry` as root, for example `sudo gantry check`");
    }
    let held = facts::read("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:").map(str::trim).map(str::to_owned))
        .and_then(|set| u64::from_str_radix(&set, 16).ok())
        .unwrap_or(u64::MAX);
    let lacking: Vec<&str> = NEEDED_CAPABILITIES
        .iter()
        .filter(|(number, _)| held & (1 << number) == 0)
        .map(|(_, name)| *name)
        .collect();
    item.met(
        lacking.is_empty(),
        if lacking.is_empty() {
            "with the needed capabilities".into()
        } else {
            format!("without {}", lacking.join(" and "))
        },
        "grant these capabilities to the service or container that `gantry` runs in, for example with `--privileged`",
    )
}

fn pidfd() -> Item {
    let own = i32::try_from(std::process::id()).unwrap_or(1);
    let outcome = sys::pidfd::open(own);
    check(
        "pidfd",
        "Process descriptors (pidfd)",
        Need::Required,
        "signalling and waiting for processes without pid reuse races",
    )
    .met(outcome.is_ok(), found(outcome), UPGRADE)
}

fn openat2() -> Item {
    let outcome = std::fs::File::open("/").and_then(|root| sys::beneath::open_dir(&root, Path::new("proc")));
    check(
        "openat2",
        "Path resolution beneath a directory (openat2)",
        Need::Required,
        "mounting and copying inside a container without following links out of its root",
    )
    .met(
        outcome.is_ok(),
        found(outcome),
        "install a newer kernel; inside a container or sandbox, allow openat2 in its seccomp profile",
    )
}

fn memfd() -> Item {
    // 2 forbids executable memfds. kernel, admin-guide/sysctl/vm.rst
    let noexec = facts::number("/proc/sys/vm/memfd_noexec").unwrap_or(0);
    check(
        "memfd",
        "Executable sealed memory (memfd)",
        Need::Required,
        "running the container runtime from a copy that containers cannot overwrite",
    )
    .met(
        noexec < 2,
        format!("vm.memfd_noexec is {noexec}"),
        "run `sysctl vm.memfd_noexec=0` and put `vm.memfd_noexec = 0` in /etc/sysctl.d/",
    )
}

fn pressure() -> Item {
    let enabled = facts::read("/proc/pressure/cpu").is_some();
    check(
        "psi",
        "Pressure stall information",
        Need::Optional,
        "showing how long containers wait for CPU, memory and I/O",
    )
    .met(
        enabled,
        if enabled { "enabled" } else { "disabled" },
        "add `psi=1` to the kernel's command line and reboot (the kernel needs CONFIG_PSI)",
    )
}

pub(crate) fn found<T>(outcome: std::io::Result<T>) -> String {
    match outcome {
        Ok(_) => "works".into(),
        Err(error) => error.to_string(),
    }
}
