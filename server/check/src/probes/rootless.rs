//! Requirements of a server run by an ordinary user. Check for ordinary users only.

use crate::facts::Facts;
use crate::report::{Check, Group, Item, Need};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use sys::subordinate_ids;
use sys::user_namespace::{IdRange, unused};

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
        id,
        group: Group::Rootless,
        title,
        need,
        purpose,
    }
}

pub(crate) fn items(facts: &Facts) -> Vec<Item> {
    if facts.is_root {
        return Vec::new();
    }
    vec![
        user_namespace(),
        helpers(),
        ids(),
        overlay(facts),
        uplink(),
        tunnels(),
        run_dir(),
        groups(),
    ]
}

/// Creates one with the only mapping that every user may write: the caller's own id.
fn user_namespace() -> Item {
    let item = check(
        "rootless-namespace",
        "User namespaces for ordinary users",
        Need::Required,
        "the privileges of root inside, an ordinary user outside",
    );
    let own = |outside| {
        [IdRange {
            inside: 0,
            outside,
            size: 1,
        }]
    };
    match unused(&own(sys::user::id()), &own(sys::user::group_id())) {
        Ok(_) => item.ok("works"),
        Err(error) => item.missing(
            error.to_string(),
            "as root run `sysctl user.max_user_namespaces=10000` and, where these exist, \
             `sysctl kernel.unprivileged_userns_clone=1` and `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        ),
    }
}

fn helpers() -> Item {
    let item = check(
        "rootless-uidmap",
        "Programs newuidmap and newgidmap",
        Need::Required,
        "mapping the subordinate IDs of the user",
    );
    let missing: Vec<&str> = ["newuidmap", "newgidmap"]
        .into_iter()
        .filter(|program| program_at(program).is_none())
        .collect();
    if missing.is_empty() {
        return item.ok("installed");
    }
    item.missing(
        format!("not in PATH: {}", missing.join(", ")),
        "install the package `uidmap`, for example `apt install uidmap`",
    )
}

fn ids() -> Item {
    const MIN_IDS: u32 = 65_536;
    let item = check(
        "rootless-ids",
        "Subordinate IDs",
        Need::Required,
        "users of images other than root",
    );
    let uid = sys::user::id();
    let Some(user) = subordinate_ids::user_by_id(uid) else {
        return item.missing(
            format!("user {uid} is not in /etc/passwd"),
            "add the user to /etc/passwd, which newuidmap reads",
        );
    };
    let found = subordinate_ids::of(&user.name, Some(uid)).unwrap_or_default();
    let sum = |runs: &[subordinate_ids::Run]| runs.iter().map(|run| run.count).sum::<u32>();
    let count = sum(&found.users).min(sum(&found.groups));
    item.met(
        count >= MIN_IDS,
        format!("{count} in /etc/subuid and /etc/subgid"),
        format!(
            "as root run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}`",
            user.name
        ),
    )
}

fn overlay(facts: &Facts) -> Item {
    let item = check(
        "rootless-overlayfs",
        "overlayfs in user namespaces",
        Need::Required,
        "combining layers without root on the host",
    );
    let available = facts.kernel_is(5, 11);
    item.met(
        available,
        if available { "available" } else { "not supported" },
        "use Linux 5.11 or newer",
    )
}

fn uplink() -> Item {
    let item = check(
        "rootless-network",
        "Program pasta or slirp4netns",
        Need::Optional,
        "outgoing connections of containers",
    );
    match ["pasta", "slirp4netns"].into_iter().find_map(program_at) {
        Some(path) => item.ok(path.display().to_string()),
        None => item.missing(
            "neither is in PATH",
            "install the package `passt`, for example `apt install passt`",
        ),
    }
}

fn tunnels() -> Item {
    const DEVICE: &str = "/dev/net/tun";
    let item = check(
        "rootless-tun",
        "Device /dev/net/tun",
        Need::Optional,
        "the uplink that pasta and slirp4netns provide",
    );
    match File::options().read(true).write(true).open(DEVICE) {
        Ok(_) => item.ok("can be opened"),
        Err(error) => item.missing(error.to_string(), "as root run `modprobe tun; chmod 666 /dev/net/tun`"),
    }
}

fn run_dir() -> Item {
    let item = check(
        "rootless-run-dir",
        "Runtime directory (XDG_RUNTIME_DIR)",
        Need::Optional,
        "sockets and state of running containers",
    );
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match named.filter(|dir| dir.is_dir()) {
        Some(dir) => item.ok(dir.display().to_string()),
        None => item.missing(
            "not set",
            "log in through systemd, or choose a directory with --run-dir",
        ),
    }
}

/// Whether the v2 cgroup of this process is delegated to the user.
fn groups() -> Item {
    let item = check(
        "rootless-cgroups",
        "Delegated cgroup (cgroup v2)",
        Need::Optional,
        "limits, pause and statistics; without it containers run without limits",
    );
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::"));
    let is_own = own.is_some_and(|path| {
        let found = fs::metadata(format!("/sys/fs/cgroup{path}"));
        found.is_ok_and(|found| found.uid() == sys::user::id())
    });
    item.met(
        is_own,
        if is_own {
            "delegated to the user"
        } else {
            "not delegated to the user"
        },
        "start the server with `systemd-run --user --scope -p Delegate=yes gantry serve`, on a host with cgroup v2 only",
    )
}

fn program_at(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
