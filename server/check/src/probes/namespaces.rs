//! Namespaces. namespaces(7)

use crate::facts::{self, Facts};
use crate::report::{Check, Group, Item, Need};
use std::path::Path;

struct Wanted {
    /// In `/proc/self/ns`.
    file: &'static str,
    id: &'static str,
    title: &'static str,
    need: Need,
    purpose: &'static str,
    option: &'static str,
}

const NAMESPACES: [Wanted; 8] = [
    Wanted {
        file: "pid",
        id: "namespace-pid",
        title: "PID namespaces",
        need: Need::Required,
        purpose: "isolating the processes of containers",
        option: "CONFIG_PID_NS",
    },
    Wanted {
        file: "mnt",
        id: "namespace-mount",
        title: "Mount namespaces",
        need: Need::Required,
        purpose: "a root file system per container",
        option: "CONFIG_NAMESPACES",
    },
    Wanted {
        file: "net",
        id: "namespace-network",
        title: "Network namespaces",
        need: Need::Required,
        purpose: "interfaces, addresses and ports per container",
        option: "CONFIG_NET_NS",
    },
    Wanted {
        file: "ipc",
        id: "namespace-ipc",
        title: "IPC namespaces",
        need: Need::Required,
        purpose: "isolating shared memory and message queues",
        option: "CONFIG_IPC_NS",
    },
    Wanted {
        file: "uts",
        id: "namespace-uts",
        title: "UTS namespaces",
        need: Need::Required,
        purpose: "a host name per container",
        option: "CONFIG_UTS_NS",
    },
    Wanted {
        file: "cgroup",
        id: "namespace-cgroup",
        title: "Cgroup namespaces",
        need: Need::Required,
        purpose: "hiding the host's cgroups from containers",
        option: "CONFIG_CGROUPS",
    },
    Wanted {
        file: "user",
        id: "namespace-user",
        title: "User namespaces",
        need: Need::Optional,
        purpose: "mapping root of a container to an unprivileged user of the host",
        option: "CONFIG_USER_NS",
    },
    Wanted {
        file: "time",
        id: "namespace-time",
        title: "Time namespaces",
        need: Need::Optional,
        purpose: "monotonic and boot-time clocks per container",
        option: "CONFIG_TIME_NS",
    },
];

pub(crate) fn items(facts: &Facts, data_dir: Option<&Path>) -> Vec<Item> {
    let mut items: Vec<Item> = NAMESPACES.iter().map(namespace).collect();
    items.push(idmapped_mounts(facts, data_dir.unwrap_or(Path::new("/"))));
    items
}

fn namespace(wanted: &Wanted) -> Item {
    let item = Check {
        id: wanted.id,
        group: Group::Namespaces,
        title: wanted.title,
        need: wanted.need,
        purpose: wanted.purpose,
    };
    if !Path::new("/proc/self/ns").join(wanted.file).exists() {
        return item.missing("not available", format!("use a kernel with {}", wanted.option));
    }
    // 0 forbids new namespaces of this type. namespaces(7)
    let limit = format!("/proc/sys/user/max_{}_namespaces", wanted.file);
    match facts::number(&limit) {
        Some(0) => item.missing(
            format!("forbidden: user.max_{}_namespaces is 0", wanted.file),
            format!(
                "run `sysctl user.max_{name}_namespaces=10000` and put it in /etc/sysctl.d/",
                name = wanted.file
            ),
        ),
        Some(max) => item.ok(format!("at most {max}")),
        None => item.ok("available"),
    }
}

/// Check on the file system of the data directory.
fn idmapped_mounts(facts: &Facts, data_dir: &Path) -> Item {
    let item = Check {
        id: "idmapped-mounts",
        group: Group::Namespaces,
        title: "ID-mapped mounts",
        need: Need::Optional,
        purpose: "volumes and image layers in user namespaces without copying",
    };
    if !facts.kernel_is(5, 19) {
        return item.missing(
            "not supported for overlayfs: each container in a user namespace gets a copy of its image",
            "use Linux 5.19 or newer",
        );
    }
    if !facts.is_root || !sys::user_namespace::is_initial() {
        return item.unknown("not tested: requires root", "check again as root");
    }
    let dir = super::storage::existing(data_dir);
    match sys::mount::can_map_ids(&dir) {
        Ok(()) => item.ok(format!("works at `{}`", dir.display())),
        Err(error) => item.missing(
            format!("not supported at `{}`: {error}", dir.display()),
            "choose a directory on ext4, xfs or btrfs with --data-dir; otherwise each container in a user namespace \
             gets a copy of its image",
        ),
    }
}
