//! What an ordinary user needs to run a server of its own. Asked of ordinary users alone.

use crate::facts::Facts;
use crate::report::{Asked, Group, Item, Need};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use sys::subordinate_ids;
use sys::user_namespace::{IdRange, unused};

const fn asked(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Asked {
    Asked {
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

/// Made for real, with the one id that everybody may map.
fn user_namespace() -> Item {
    let question = asked(
        "rootless-namespace",
        "User namespaces for ordinary users",
        Need::Required,
        "being root inside, and nobody outside",
    );
    let own = |outside| {
        [IdRange {
            inside: 0,
            outside,
            size: 1,
        }]
    };
    match unused(&own(sys::user::id()), &own(sys::user::group_id())) {
        Ok(_) => question.ok("one could be made"),
        Err(error) => question.missing(
            error.to_string(),
            "as root run `sysctl user.max_user_namespaces=10000`, and where they are there \
             `sysctl kernel.unprivileged_userns_clone=1` and `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        ),
    }
}

fn helpers() -> Item {
    let question = asked(
        "rootless-uidmap",
        "The programs newuidmap and newgidmap",
        Need::Required,
        "giving the namespace more ids than the user's own",
    );
    let missing: Vec<&str> = ["newuidmap", "newgidmap"]
        .into_iter()
        .filter(|program| program_at(program).is_none())
        .collect();
    if missing.is_empty() {
        return question.ok("there");
    }
    question.missing(
        format!("not in PATH: {}", missing.join(", ")),
        "install the package `uidmap`, as in `apt install uidmap`",
    )
}

fn ids() -> Item {
    const ENOUGH: u32 = 65_536;
    let question = asked(
        "rootless-ids",
        "Subordinate ids",
        Need::Required,
        "the users of images besides root",
    );
    let uid = sys::user::id();
    let Some(user) = subordinate_ids::user_by_id(uid) else {
        return question.missing(
            format!("user {uid} is not in /etc/passwd"),
            "add the user to /etc/passwd, which newuidmap reads",
        );
    };
    let found = subordinate_ids::of(&user.name, Some(uid)).unwrap_or_default();
    let count = |runs: &[subordinate_ids::Run]| runs.iter().map(|run| run.count).sum::<u32>();
    let fewest = count(&found.users).min(count(&found.groups));
    question.met(
        fewest >= ENOUGH,
        format!("{fewest} in /etc/subuid and /etc/subgid"),
        format!(
            "as root run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}`",
            user.name
        ),
    )
}

fn overlay(facts: &Facts) -> Item {
    let question = asked(
        "rootless-overlayfs",
        "Overlays in user namespaces",
        Need::Required,
        "putting layers together without the host's root",
    );
    let there = facts.kernel_is(5, 11);
    question.met(
        there,
        if there { "there" } else { "refused" },
        "use Linux 5.11 or newer",
    )
}

fn uplink() -> Item {
    let question = asked(
        "rootless-network",
        "The program pasta or slirp4netns",
        Need::Optional,
        "containers that reach the outside",
    );
    match ["pasta", "slirp4netns"].into_iter().find_map(program_at) {
        Some(path) => question.ok(path.display().to_string()),
        None => question.missing(
            "neither is in PATH",
            "install the package `passt`, as in `apt install passt`",
        ),
    }
}

fn tunnels() -> Item {
    const DEVICE: &str = "/dev/net/tun";
    let question = asked(
        "rootless-tun",
        "The device /dev/net/tun",
        Need::Optional,
        "the way that pasta and slirp4netns make to the outside",
    );
    match File::options().read(true).write(true).open(DEVICE) {
        Ok(_) => question.ok("can be opened"),
        Err(error) => question.missing(error.to_string(), "as root run `modprobe tun; chmod 666 /dev/net/tun`"),
    }
}

fn run_dir() -> Item {
    let question = asked(
        "rootless-run-dir",
        "A directory for what runs (XDG_RUNTIME_DIR)",
        Need::Optional,
        "sockets and the state of running containers",
    );
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match named.filter(|dir| dir.is_dir()) {
        Some(dir) => question.ok(dir.display().to_string()),
        None => question.missing(
            "not set",
            "log in through systemd, or choose a directory with --run-dir",
        ),
    }
}

/// Whether this process's own group of the v2 tree is the user's.
fn groups() -> Item {
    let question = asked(
        "rootless-cgroups",
        "Control groups of one's own (cgroup v2)",
        Need::Optional,
        "limits, pausing and statistics; without them containers run and are not limited",
    );
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::"));
    let is_own = own.is_some_and(|path| {
        let found = fs::metadata(format!("/sys/fs/cgroup{path}"));
        found.is_ok_and(|found| found.uid() == sys::user::id())
    });
    question.met(
        is_own,
        if is_own {
            "given to the user"
        } else {
            "none was given to the user"
        },
        "start it by `systemd-run --user --scope -p Delegate=yes gantry serve`, on a host with cgroup v2 alone",
    )
}

fn program_at(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
