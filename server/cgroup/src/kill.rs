//! Ending every process of a group, however fast it forks.

use crate::control_file;
use crate::error::CgroupError;
use crate::group::{Group, collect_processes};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

const SIGKILL: i32 = 9;

/// Each round kills what it sees; a frozen group cannot grow, so a few are enough.
const ROUNDS: u32 = 50;

pub(crate) fn kill_all(group: &Group) -> Result<(), CgroupError> {
    if let Some(dir) = group.v2_dir() {
        kill_v2(&dir)?;
    }
    // Processes that are only in v1 hierarchies, and kernels without `cgroup.kill`.
    for dir in group.counting_dirs() {
        kill_one_by_one(group, &dir)?;
    }
    // On v1 a frozen process dies only when it is let go.
    if group.is_frozen()? {
        group.thaw()?;
    }
    Ok(())
}

/// All at once, and forks with them. `cgroup.kill` is of Linux 5.14.
fn kill_v2(dir: &Path) -> Result<(), CgroupError> {
    let file = dir.join("cgroup.kill");
    match control_file::write_raw(&file, "1") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound || control_file::is_absent(&error) => Ok(()),
        Err(source) => Err(CgroupError::Write {
            file,
            value: "1".into(),
            source,
        }),
    }
}

/// Freeze, signal, thaw: between the reading of the list and the signal nobody forks.
fn kill_one_by_one(group: &Group, dir: &Path) -> Result<(), CgroupError> {
    let mut left = BTreeSet::new();
    for _ in 0..ROUNDS {
        left.clear();
        collect_processes(dir, &mut left)?;
        left.retain(|pid| !is_dying(*pid));
        if left.is_empty() {
            return Ok(());
        }
        // A group that cannot be frozen is signalled all the same.
        let _ = group.freeze();
        collect_processes(dir, &mut left)?;
        for pid in &left {
            signal(*pid);
        }
        group.thaw().or_else(|error| match error {
            CgroupError::NoController { .. } => Ok(()),
            error => Err(error),
        })?;
    }
    Err(CgroupError::Survivors {
        dir: dir.to_owned(),
        pids: left.into_iter().collect(),
    })
}

/// Whether `pid` has SIGKILL pending or is gone: it needs no further signal. The ninth
/// bit from the right of `SigPnd` and `ShdPnd` is signal 9. proc_pid_status(5)
fn is_dying(pid: i32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
        return true;
    };
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::trim))
            .unwrap_or_default()
    };
    let pending = |name: &str| u64::from_str_radix(field(name), 16).is_ok_and(|set| set & (1 << (SIGKILL - 1)) != 0);
    field("State:").starts_with(['Z', 'X']) || pending("SigPnd:") || pending("ShdPnd:")
}

fn signal(pid: i32) {
    // Already gone is what was wanted.
    if let Ok(process) = sys::pidfd::open(pid) {
        let _ = sys::pidfd::send_signal(&process, SIGKILL);
    }
}
