//! Limits of the host that many containers can reach.

use crate::facts::{self, Facts};
use crate::report::{Check, Group, Item, Need};

struct HostLimit {
    id: &'static str,
    title: &'static str,
    purpose: &'static str,
    sysctl: &'static str,
    /// Below this, some tens of containers can reach the limit.
    recommended: u64,
}

const HOST_LIMITS: [HostLimit; 5] = [
    HostLimit {
        id: "inotify-instances",
        title: "inotify instances",
        purpose: "programs that watch files; the limit is shared by all processes of a user",
        sysctl: "fs.inotify.max_user_instances",
        recommended: 512,
    },
    HostLimit {
        id: "inotify-watches",
        title: "inotify watches",
        purpose: "programs that watch many files",
        sysctl: "fs.inotify.max_user_watches",
        recommended: 65_536,
    },
    HostLimit {
        id: "pid-max",
        title: "Process IDs",
        purpose: "many concurrent processes and threads",
        sysctl: "kernel.pid_max",
        recommended: 32_768,
    },
    HostLimit {
        id: "file-max",
        title: "Open files",
        purpose: "many open files and connections",
        sysctl: "fs.file-max",
        recommended: 100_000,
    },
    HostLimit {
        id: "keys",
        title: "Kernel keys of root",
        purpose: "a session keyring per container",
        sysctl: "kernel.keys.root_maxkeys",
        recommended: 1_000,
    },
];

pub(crate) fn items(_facts: &Facts) -> Vec<Item> {
    HOST_LIMITS.iter().map(item).collect()
}

fn item(limit: &HostLimit) -> Item {
    let HostLimit {
        id,
        title,
        purpose,
        sysctl,
        recommended,
    } = *limit;
    let item = Check {
        id,
        group: Group::Limits,
        title,
        need: Need::Optional,
        purpose,
    };
    let file = format!("/proc/sys/{}", sysctl.replace('.', "/"));
    match facts::number(&file) {
        Some(current) => item.met(
            current >= recommended,
            format!("{sysctl} is {current}"),
            format!("run `sysctl {sysctl}={recommended}` and put `{sysctl} = {recommended}` in /etc/sysctl.d/"),
        ),
        None => item.unknown("cannot be read", format!("read `{file}` as root")),
    }
}
