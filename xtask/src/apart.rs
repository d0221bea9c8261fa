//! A place apart: network, mount and pid namespaces of their own, a directory and a
//! cgroup parent, for measuring and for other engines. When the work ends, in whatever way, all its processes end
//! with the pid namespace, and what stays on disk and in the cgroups is removed.

use crate::process;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PREFIX: &str = "gantry-bench-";

/// Runs this program again, apart, as `cargo xtask COMMAND DIR …`.
pub(crate) fn run(command: &str, arguments: &[String]) -> Result<()> {
    run_below(&[], command, arguments)
}

/// Closes what the caller left open, runs the rest of its arguments and waits. Not as the last
/// command, or the shell would become it.
const REAPER: &str = "for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if [ \"$fd\" -gt 2 ]; then eval \"exec $fd>&-\"; fi
done
\"$@\"
exit $?";

/// [`run`], below a shell: as process 1 of the namespace it reaps whatever the work leaves.
pub(crate) fn run_below_reaper(command: &str, arguments: &[String]) -> Result<()> {
    run_below(&["bash", "-c", REAPER, "bash"], command, arguments)
}

fn run_below(first: &[&str], command: &str, arguments: &[String]) -> Result<()> {
    for name in leftovers() {
        clear(&name);
    }
    let name = format!("{PREFIX}{}", std::process::id());
    let dir = std::env::temp_dir().join(&name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let status = process::command("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--propagation", "private"])
        .args(first)
        .arg(std::env::current_exe()?)
        .arg(command)
        .arg(&dir)
        .args(arguments)
        .status()
        .context("cannot start unshare, of the package util-linux");
    clear(&name);
    let status = status?;
    if !status.success() {
        bail!("{command} ended with {status}");
    }
    Ok(())
}

/// The path of the cgroups below `dir`'s name.
pub(crate) fn cgroup_parent(dir: &Path) -> String {
    format!("/{}", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Makes the parent in every hierarchy, so that whoever makes groups below finds
/// processors and memory in v1's cpuset.
pub(crate) fn prepare_cgroups(dir: &Path) -> Result<()> {
    for mount in cgroup_mounts() {
        let parent = mount.join(cgroup_parent(dir).trim_start_matches('/'));
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = fs::read_to_string(mount.join(file)) {
                let _ = fs::write(parent.join(file), value.trim());
            }
        }
        let _ = fs::write(parent.join("cgroup.clone_children"), "1");
    }
    Ok(())
}

/// Where sockets and states of what runs go: in memory, as below `/run` of any host.
pub(super) fn mount_run_dir(dir: &Path) -> Result<()> {
    let run = run_dir(dir);
    fs::create_dir_all(&run)?;
    process::run(Command::new("mount").args(["-t", "tmpfs", "gantry-bench"]).arg(run))
}

pub(super) fn run_dir(dir: &Path) -> PathBuf {
    dir.join("run")
}

/// Folders that engines share whatever their switches say are our own, and empty.
pub(crate) fn cover_shared_folders() -> Result<()> {
    for folder in ["/run", "/dev/shm"] {
        process::run(Command::new("mount").args(["-t", "tmpfs", "gantry-peers", folder]))?;
    }
    Ok(())
}

/// Network devices of the namespace: loopback is down at first.
pub(crate) fn raise_loopback() -> Result<()> {
    process::run(Command::new("ip").args(["link", "set", "lo", "up"]))
}

pub(crate) fn cgroup_mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, dir, kind) = (fields.next()?, fields.next()?, fields.next()?);
            matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(dir))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Of runs that were interrupted: their process is gone.
fn leftovers() -> Vec<String> {
    let folders = cgroup_mounts().into_iter().chain([std::env::temp_dir()]);
    let entries = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            let pid = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
            pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn clear(name: &str) {
    for mount in cgroup_mounts() {
        remove_groups(&mount.join(name));
    }
    let dir = std::env::temp_dir().join(name);
    if let Err(error) = fs::remove_dir_all(&dir)
        && dir.exists()
    {
        eprintln!("{} could not be removed: {error}", dir.display());
    }
}

/// Innermost first. A group whose processes have just been killed is busy for a moment.
pub(crate) fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    for _ in 0..100 {
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    eprintln!("{} could not be removed", group.display());
}
