//! Ceilings of the host that many containers meet.

use crate::facts::{self, Facts};
use crate::report::{Asked, Group, Item, Need};

struct Ceiling {
    id: &'static str,
    title: &'static str,
    purpose: &'static str,
    sysctl: &'static str,
    /// Below this some tens of containers may meet it.
    enough: u64,
}

const CEILINGS: [Ceiling; 5] = [
    Ceiling {
        id: "inotify-instances",
        title: "Watchers of files (inotify instances)",
        purpose: "programs in containers that watch files; all of a user share the number",
        sysctl: "fs.inotify.max_user_instances",
        enough: 512,
    },
    Ceiling {
        id: "inotify-watches",
        title: "Watched files (inotify watches)",
        purpose: "programs in containers that watch many files",
        sysctl: "fs.inotify.max_user_watches",
        enough: 65_536,
    },
    Ceiling {
        id: "pid-max",
        title: "Process numbers",
        purpose: "many processes and threads at once",
        sysctl: "kernel.pid_max",
        enough: 32_768,
    },
    Ceiling {
        id: "file-max",
        title: "Open files",
        purpose: "many open files and connections at once",
        sysctl: "fs.file-max",
        enough: 100_000,
    },
    Ceiling {
        id: "keys",
        title: "Key rings (maxkeys of root)",
        purpose: "a key ring for each container",
        sysctl: "kernel.keys.root_maxkeys",
        enough: 1_000,
    },
];

pub(crate) fn items(_facts: &Facts) -> Vec<Item> {
    CEILINGS.iter().map(item).collect()
}

fn item(ceiling: &Ceiling) -> Item {
    let Ceiling {
        id,
        title,
        purpose,
        sysctl,
        enough,
    } = *ceiling;
    let question = Asked {
        id,
        group: Group::Limits,
        title,
        need: Need::Optional,
        purpose,
    };
    let file = format!("/proc/sys/{}", sysctl.replace('.', "/"));
    match facts::number(&file) {
        Some(held) => question.met(
            held >= enough,
            format!("{sysctl} is {held}"),
            format!("run `sysctl {sysctl}={enough}` and put `{sysctl} = {enough}` in /etc/sysctl.d/"),
        ),
        None => question.unknown("cannot be read", format!("look at `{file}` as root")),
    }
}
