//! Control groups and their controllers.

use crate::facts::Facts;
use crate::report::{Check, Group, Item, Need};
use cgroup::{Controller, Layout, Version};
use std::path::Path;

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
        id,
        group: Group::Cgroups,
        title,
        need,
        purpose,
    }
}

const MOUNT: &str = "mount them as systemd does, or run `mount -t cgroup2 cgroup2 /sys/fs/cgroup`";

pub(crate) fn items(facts: &Facts) -> Vec<Item> {
    let hierarchy = check(
        "cgroup-hierarchy",
        "Control groups",
        Need::Required,
        "tracking, limiting and killing the processes of a container",
    );
    let layout = match &facts.hierarchies {
        Ok(hierarchies) => hierarchies.layout(),
        Err(error) => return vec![hierarchy.missing(error.to_string(), MOUNT)],
    };
    let mut items = vec![
        hierarchy.ok(format!("layout {}", layout.name())),
        writable(facts, &layout),
    ];
    items.extend(CONTROLLERS.iter().map(|wanted| controller(wanted, &layout)));
    items.push(swap(&layout));
    items.push(device_programs(&layout));
    items
}

fn writable(facts: &Facts, layout: &Layout) -> Item {
    let mounts = layout.v1_mounts.iter().chain(&layout.v2_mount);
    let read_only: Vec<String> = mounts
        .filter(|dir| facts.mount_of(dir).is_some_and(|mount| mount.read_only))
        .map(|dir| dir.display().to_string())
        .collect();
    check(
        "cgroup-writable",
        "cgroups can be created",
        Need::Required,
        "one cgroup per container",
    )
    .met(
        read_only.is_empty(),
        if read_only.is_empty() {
            "mounted read-write".into()
        } else {
            format!("read-only: {}", read_only.join(", "))
        },
        "run `mount -o remount,rw` on each; inside a container, start that one privileged and with a private cgroup namespace",
    )
}

struct Wanted {
    controller: Controller,
    id: &'static str,
    title: &'static str,
    need: Need,
    purpose: &'static str,
    /// The kernel's option, and its switch on the kernel's command line if it has one.
    option: &'static str,
    switch: Option<&'static str>,
}

const CONTROLLERS: [Wanted; 7] = [
    Wanted {
        controller: Controller::Memory,
        id: "cgroup-memory",
        title: "Controller memory",
        need: Need::Optional,
        purpose: "memory limits and usage",
        option: "CONFIG_MEMCG",
        switch: Some("cgroup_enable=memory"),
    },
    Wanted {
        controller: Controller::Cpu,
        id: "cgroup-cpu",
        title: "Controller cpu",
        need: Need::Optional,
        purpose: "CPU limits and shares",
        option: "CONFIG_CFS_BANDWIDTH",
        switch: None,
    },
    Wanted {
        controller: Controller::Cpuset,
        id: "cgroup-cpuset",
        title: "Controller cpuset",
        need: Need::Optional,
        purpose: "pinning containers to CPUs",
        option: "CONFIG_CPUSETS",
        switch: None,
    },
    Wanted {
        controller: Controller::Pids,
        id: "cgroup-pids",
        title: "Controller pids",
        need: Need::Optional,
        purpose: "limits on the number of processes",
        option: "CONFIG_CGROUP_PIDS",
        switch: None,
    },
    Wanted {
        controller: Controller::Io,
        id: "cgroup-io",
        title: "Controller io",
        need: Need::Optional,
        purpose: "block I/O limits and usage",
        option: "CONFIG_BLK_CGROUP",
        switch: None,
    },
    Wanted {
        controller: Controller::Devices,
        id: "cgroup-devices",
        title: "Device control",
        need: Need::Required,
        purpose: "denying access to devices of the host",
        option: "CONFIG_CGROUP_DEVICE, or CONFIG_CGROUP_BPF with v2",
        switch: None,
    },
    Wanted {
        controller: Controller::Freezer,
        id: "cgroup-freezer",
        title: "Freezer",
        need: Need::Optional,
        purpose: "pausing containers",
        option: "CONFIG_CGROUP_FREEZER",
        switch: None,
    },
];

fn controller(wanted: &Wanted, layout: &Layout) -> Item {
    let item = check(wanted.id, wanted.title, wanted.need, wanted.purpose);
    match layout.version_of(wanted.controller) {
        Some(Version::V1) => item.ok("v1"),
        Some(Version::V2) => item.ok("v2"),
        None => {
            let switch = wanted.switch.map_or_else(String::new, |switch| {
                format!("add `{switch}` to the kernel's command line and reboot, or ")
            });
            item.missing(
                "not available",
                format!(
                    "{switch}use a kernel with {option}; if it has it, mount the controller or list it in the parent's `cgroup.subtree_control`",
                    option = wanted.option
                ),
            )
        }
    }
}

fn swap(layout: &Layout) -> Item {
    let item = check(
        "cgroup-swap",
        "Swap accounting",
        Need::Optional,
        "limits on memory plus swap",
    );
    const REMEDY: &str = "add `swapaccount=1` to the kernel's command line and reboot";
    match (layout.version_of(Controller::Memory), &layout.v2_mount) {
        (Some(Version::V1), _) => {
            let accounted = layout
                .v1_mounts
                .iter()
                .any(|dir| dir.join("memory.memsw.limit_in_bytes").exists());
            item.met(accounted, if accounted { "enabled" } else { "disabled" }, REMEDY)
        }
        // The root cgroup has no such file; any child shows whether the kernel supports it.
        (Some(Version::V2), Some(mount)) => match below(mount, "memory.max") {
            Some(group) => {
                let accounted = group.join("memory.swap.max").exists();
                item.met(accounted, if accounted { "enabled" } else { "disabled" }, REMEDY)
            }
            None => item.unknown(
                "not tested: no cgroup has the memory controller",
                "start a container and check again",
            ),
        },
        _ => item.missing("no memory controller", "see the memory controller"),
    }
}

/// A group directly inside `dir` that has `file`.
fn below(dir: &Path, file: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join(file).exists())
}

fn device_programs(layout: &Layout) -> Item {
    let needed = layout.version_of(Controller::Devices) == Some(Version::V2);
    let need = if needed { Need::Required } else { Need::Optional };
    let item = check(
        "cgroup-bpf",
        "Device programs (BPF)",
        need,
        "device control on cgroup v2",
    );
    // `r0 = 0; exit`, loaded and never attached.
    let program = [0xb7, 0x95].map(|operation| u64::from_ne_bytes([operation, 0, 0, 0, 0, 0, 0, 0]));
    match sys::cgroup_device::load(&program) {
        Ok(_) => item.ok("works"),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            item.unknown(error.to_string(), "check again as root")
        }
        Err(error) => item.missing(
            error.to_string(),
            "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF, or cgroup v1 with its devices controller",
        ),
    }
}
