//! Ways out through cgroup v1's `release_agent`, which the kernel runs as root.

use crate::hostile::{hostile, with_own_users};

fn escapes(out: &str) -> Vec<&str> {
    let marks = ["WRITTEN", "opened for writing", "mounted", "unshared"];
    out.lines()
        .filter(|line| marks.iter().any(|mark| line.starts_with(mark)))
        .collect()
}

/// CVE-2022-0492: `unshare -UrmC`, then a hierarchy mounted anew, whose release_agent is
/// writable. Nothing of the chain may work with the engine's defaults.
#[test]
fn no_release_agent_can_be_written() {
    let Some(bundle) = hostile("attacker release-agent; echo tried") else {
        return;
    };
    let ran = bundle.run();
    assert!(ran.out.contains("tried"), "{ran:?}");
    assert_eq!(escapes(&ran.out), Vec::<&str>::new());
}

#[test]
fn no_release_agent_can_be_written_by_users_of_their_own() {
    let Some(bundle) = hostile("attacker release-agent; echo tried") else {
        return;
    };
    with_own_users(&bundle);
    let ran = bundle.run();
    assert!(ran.out.contains("tried"), "{ran:?}");
    assert_eq!(escapes(&ran.out), Vec::<&str>::new());
}

/// Limits are the host's to set: control files cannot be written, nor can a process
/// leave its group by the mounts it sees.
#[test]
fn no_control_file_can_be_written() {
    let script =
        "find /sys/fs/cgroup -type f | while read file; do (echo 1 > $file) 2>/dev/null && echo WRITTEN $file; done;
                  mkdir /sys/fs/cgroup/mine /sys/fs/cgroup/memory/mine 2>/dev/null && echo WRITTEN mine; echo tried";
    for own_users in [false, true] {
        let Some(bundle) = hostile(script) else { return };
        if own_users {
            with_own_users(&bundle);
        }
        bundle.run().expect("tried");
    }
}
