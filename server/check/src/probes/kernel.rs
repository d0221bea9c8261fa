//! The kernel itself, and calls without which nothing works.

use crate::facts::{self, Facts};
use crate::report::{Asked, Group, Item, Need};
use std::path::Path;

const fn asked(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Asked {
    Asked {
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
    asked(
        "kernel-version",
        "Linux 5.15 or newer",
        Need::Required,
        "calls the engine is built on: clone3 into a cgroup, mount_setattr, cgroup.kill",
    )
    .met(facts.kernel_is(5, 15), &facts.release, UPGRADE)
}

/// CAP_SYS_ADMIN and CAP_NET_ADMIN. linux/capability.h
const NEEDED_CAPABILITIES: [(u32, &str); 2] = [(21, "CAP_SYS_ADMIN"), (12, "CAP_NET_ADMIN")];

/// Root of a container or of a restricted service is not all that root can be.
fn root(facts: &Facts) -> Item {
    let question = asked(
        "root",
        "Root",
        Need::Required,
        "making namespaces, mounts, cgroups and network devices",
    );
    if !facts.is_root {
        return question.missing("not root", "run `gantry` as root, as in `sudo gantry check`");
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
    question.met(
        lacking.is_empty(),
        if lacking.is_empty() {
            "yes, with its capabilities".into()
        } else {
            format!("yes, but without {}", lacking.join(" and "))
        },
        "give the service or container that `gantry` runs in these capabilities, as `--privileged` does",
    )
}

fn pidfd() -> Item {
    let own = i32::try_from(std::process::id()).unwrap_or(1);
    let outcome = sys::pidfd::open(own);
    asked(
        "pidfd",
        "Process descriptors (pidfd)",
        Need::Required,
        "signalling and watching a process that cannot be mistaken for another",
    )
    .met(outcome.is_ok(), found(outcome), UPGRADE)
}

fn openat2() -> Item {
    let outcome = std::fs::File::open("/").and_then(|root| sys::beneath::open_dir(&root, Path::new("proc")));
    asked(
        "openat2",
        "Paths that stay beneath a directory (openat2)",
        Need::Required,
        "mounting and copying inside a container without following its links out of it",
    )
    .met(
        outcome.is_ok(),
        found(outcome),
        "install a newer kernel; inside a container or sandbox, let its seccomp profile allow openat2",
    )
}

fn memfd() -> Item {
    // 2 refuses every memfd that may be executed. kernel, admin-guide/sysctl/vm.rst
    let noexec = facts::number("/proc/sys/vm/memfd_noexec").unwrap_or(0);
    asked(
        "memfd",
        "Programs in sealed memory (memfd)",
        Need::Required,
        "starting the container runtime from a copy that no container can overwrite",
    )
    .met(
        noexec < 2,
        format!("vm.memfd_noexec is {noexec}"),
        "run `sysctl vm.memfd_noexec=0` and put `vm.memfd_noexec = 0` in /etc/sysctl.d/",
    )
}

fn pressure() -> Item {
    let there = facts::read("/proc/pressure/cpu").is_some();
    asked(
        "psi",
        "Pressure stall information",
        Need::Optional,
        "showing how long containers wait for processor, memory and disk",
    )
    .met(
        there,
        if there { "on" } else { "off" },
        "add `psi=1` to the kernel's command line and reboot (the kernel needs CONFIG_PSI)",
    )
}

pub(crate) fn found<T>(outcome: std::io::Result<T>) -> String {
    match outcome {
        Ok(_) => "works".into(),
        Err(error) => error.to_string(),
    }
}
