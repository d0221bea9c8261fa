//! Running one test at a time, for a limited time, and ending everything it leaves.

use crate::apart;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a test printed and whether it came to an end.
pub(super) struct Ran {
    /// `None` when it hung.
    pub(super) success: Option<bool>,
    /// Standard output and standard error in their order.
    pub(super) output: String,
}

/// Runs `command` for at most `limit`. Its output goes to a file in `dir`: a process that it
/// leaves behind would keep a pipe open.
pub(super) fn run(mut command: Command, dir: &Path, limit: Duration) -> Result<Ran> {
    let path = dir.join("output");
    let output = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    command.stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("cannot start a test")?;
    let end = Instant::now() + limit;
    let success = loop {
        match child.try_wait()? {
            Some(status) => break Some(status.success()),
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            None => break None,
        }
    };
    end_all();
    child.wait()?;
    let output = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    Ok(Ran { success, output })
}

/// The shell that is process 1 of the namespaces apart.
const SHELL: u32 = 1;

/// Refuses to go on where [`end_all`] would reach processes of others.
pub(super) fn expect_to_be_apart() -> Result<()> {
    let line = fs::read(format!("/proc/{SHELL}/cmdline"))?;
    let line = String::from_utf8_lossy(&line);
    if !line.contains("test-suites-apart") {
        bail!("test-suites calls this itself, in a pid namespace of its own");
    }
    Ok(())
}

/// Ends every process of the pid namespace but this one and the shell above it.
fn end_all() {
    let own = std::process::id();
    let mut groups = BTreeSet::new();
    // Those that are killed may have been about to fork.
    for _ in 0..100 {
        let pids: Vec<String> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.parse().is_ok_and(|pid: u32| pid != own && pid != SHELL))
            .filter(|pid| is_alive(pid))
            .collect();
        if pids.is_empty() {
            break;
        }
        for pid in &pids {
            thaw(pid);
            groups.extend(groups_of(pid));
        }
        let mut kill = Command::new("kill");
        kill.arg("-KILL")
            .args(&pids)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _ = kill.status();
        std::thread::sleep(Duration::from_millis(5));
    }
    remove_groups(&groups, &groups_of(&own.to_string()));
}

/// The cgroups of a process, as paths below the hierarchies' roots.
fn groups_of(pid: &str) -> BTreeSet<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter(|path| *path != "/").map(str::to_owned).collect()
}

/// Removes groups that killed processes were in, where nothing else is in them. `own` are
/// those that this command runs in.
fn remove_groups(groups: &BTreeSet<String>, own: &BTreeSet<String>) {
    for group in groups.difference(own) {
        for mount in apart::cgroup_mounts() {
            let _ = fs::remove_dir(mount.join(group.trim_start_matches('/')));
        }
    }
}

/// A process of a frozen cgroup does not end before it thaws.
fn thaw(pid: &str) {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        // Not the root's, which is the host's.
        if path != "/" && controllers == "freezer" {
            let _ = fs::write(format!("/sys/fs/cgroup/freezer{path}/freezer.state"), "THAWED");
        } else if path != "/" && controllers.is_empty() {
            let _ = fs::write(format!("/sys/fs/cgroup{path}/cgroup.freeze"), "0");
        }
    }
}

/// Whether it is more than a zombie that waits to be reaped.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
