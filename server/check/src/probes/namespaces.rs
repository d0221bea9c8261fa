//! Namespaces, one by one. namespaces(7)

use crate::facts::{self, Facts};
use crate::report::{Asked, Group, Item, Need};
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
        purpose: "containers that see their own processes alone",
        option: "CONFIG_PID_NS",
    },
    Wanted {
        file: "mnt",
        id: "namespace-mount",
        title: "Mount namespaces",
        need: Need::Required,
        purpose: "a file system of the container's own",
        option: "CONFIG_NAMESPACES",
    },
    Wanted {
        file: "net",
        id: "namespace-network",
        title: "Network namespaces",
        need: Need::Required,
        purpose: "an address and ports of the container's own",
        option: "CONFIG_NET_NS",
    },
    Wanted {
        file: "ipc",
        id: "namespace-ipc",
        title: "IPC namespaces",
        need: Need::Required,
        purpose: "shared memory and queues that no other container sees",
        option: "CONFIG_IPC_NS",
    },
    Wanted {
        file: "uts",
        id: "namespace-uts",
        title: "UTS namespaces",
        need: Need::Required,
        purpose: "a host name of the container's own",
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
        purpose: "containers whose root is nobody on the host",
        option: "CONFIG_USER_NS",
    },
    Wanted {
        file: "time",
        id: "namespace-time",
        title: "Time namespaces",
        need: Need::Optional,
        purpose: "clocks since boot of the container's own",
        option: "CONFIG_TIME_NS",
    },
];

pub(crate) fn items(facts: &Facts, data_dir: Option<&Path>) -> Vec<Item> {
    let mut items: Vec<Item> = NAMESPACES.iter().map(namespace).collect();
    items.push(idmapped_mounts(facts, data_dir.unwrap_or(Path::new("/"))));
    items
}

fn namespace(wanted: &Wanted) -> Item {
    let question = Asked {
        id: wanted.id,
        group: Group::Namespaces,
        title: wanted.title,
        need: wanted.need,
        purpose: wanted.purpose,
    };
    if !Path::new("/proc/self/ns").join(wanted.file).exists() {
        return question.missing("not there", format!("use a kernel with {}", wanted.option));
    }
    // 0 forbids making any; each kind has its own number. namespaces(7)
    let limit = format!("/proc/sys/user/max_{}_namespaces", wanted.file);
    match facts::number(&limit) {
        Some(0) => question.missing(
            format!("forbidden: user.max_{}_namespaces is 0", wanted.file),
            format!(
                "run `sysctl user.max_{name}_namespaces=10000` and put it in /etc/sysctl.d/",
                name = wanted.file
            ),
        ),
        Some(most) => question.ok(format!("at most {most}")),
        None => question.ok("there"),
    }
}

/// Tried on the file system that the data is on.
fn idmapped_mounts(facts: &Facts, data_dir: &Path) -> Item {
    let question = Asked {
        id: "idmapped-mounts",
        group: Group::Namespaces,
        title: "Mounts with mapped ids",
        need: Need::Optional,
        purpose: "volumes and image layers in user namespaces without copies",
    };
    if !facts.kernel_is(5, 19) {
        return question.missing(
            "not of overlays: each container in a user namespace gets a copy of its image",
            "use Linux 5.19 or newer",
        );
    }
    if !facts.is_root || !sys::user_namespace::is_initial() {
        return question.unknown("not tried: needs root", "check again as root");
    }
    let dir = super::storage::existing(data_dir);
    match sys::mount::can_map_ids(&dir) {
        Ok(()) => question.ok(format!("works at `{}`", dir.display())),
        Err(error) => question.missing(
            format!("not at `{}`: {error}", dir.display()),
            "choose a directory on ext4, xfs or btrfs with --data-dir; without it each container in a user namespace \
             gets a copy of its image",
        ),
    }
}
