//! `gantry cleanup`: everything of one instance on the host is found, shown and removed, whether
//! or not its data directory is still there.

use crate::error::{Doing, EngineError};
use crate::layout::{read_if_there, remove_dir};
use model::container::ContainerId;
use network::Leftovers;
use shim_protocol::ShimRecord;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a killed process may take to be gone.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct CleanupOptions {
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    pub cgroup_parent: String,
    /// Whether every container's group below the parent is taken to be the instance's.
    pub all_groups: bool,
    /// Six hexadecimal digits; `None` takes the name that the directories hold.
    pub instance: Option<String>,
    /// The data directory goes too.
    pub with_data: bool,
}

/// What there is of an instance.
#[derive(Debug, Clone, Default)]
pub struct InstanceLeftovers {
    pub instance: String,
    /// Shims and processes of containers, with their commands.
    pub processes: Vec<(i32, String)>,
    /// As paths below every hierarchy.
    pub groups: Vec<String>,
    pub mounts: Vec<PathBuf>,
    pub network: Leftovers,
    pub dirs: Vec<PathBuf>,
    /// Found and not removed.
    pub kept_data: Option<PathBuf>,
}

impl InstanceLeftovers {
    /// # Errors
    /// No instance is named by anything; a server runs on the directories.
    pub fn find(options: &CleanupOptions) -> Result<Self, EngineError> {
        let name_in = |dir: &Path| {
            let bytes = read_if_there(&dir.join("instance")).ok().flatten()?;
            Some(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let (of_data, of_run) = (name_in(&options.data_dir), name_in(&options.run_dir));
        let Some(instance) = options
            .instance
            .clone()
            .or_else(|| of_data.clone())
            .or_else(|| of_run.clone())
        else {
            return Err(unnamed(options));
        };
        let is_own = |name: &Option<String>| name.as_ref() == Some(&instance);
        let mut dirs = Vec::new();
        let mut kept_data = None;
        let mut ids = BTreeSet::new();
        if is_own(&of_run) || (of_run.is_none() && is_own(&of_data) && options.run_dir.join("server.lock").exists()) {
            refuse_running(&options.run_dir)?;
            ids.extend(containers_in(&options.run_dir));
            dirs.push(options.run_dir.clone());
        }
        if is_own(&of_data) {
            refuse_running(&options.data_dir)?;
            ids.extend(containers_in(&options.data_dir));
            if options.with_data {
                dirs.push(options.data_dir.clone());
            } else {
                kept_data = Some(options.data_dir.clone());
            }
        }
        let network = Leftovers::find(&instance).doing(|| format!("look for the network of instance `{instance}`"))?;
        ids.extend(network.containers.iter().cloned());
        let hierarchies = cgroup::Hierarchies::discover().doing(|| "find the host's cgroups".to_owned())?;
        let groups = groups(&hierarchies, options, &ids)?;
        let mut processes = BTreeSet::new();
        for group in &groups {
            let of_group = hierarchies.group(group).processes();
            for pid in of_group.doing(|| format!("list the processes of the cgroup `{group}`"))? {
                processes.extend(shim_of(pid));
                processes.insert(pid);
            }
        }
        processes.extend(ids.iter().filter_map(|id| recorded_shim(&options.run_dir, id)));
        let command = |pid: i32| (pid, command_of(pid));
        Ok(Self {
            processes: processes.into_iter().map(command).collect(),
            groups,
            mounts: mounts_below(&dirs),
            network,
            dirs,
            kept_data,
            instance,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
            && self.groups.is_empty()
            && self.mounts.is_empty()
            && self.network.is_empty()
            && self.dirs.is_empty()
    }

    /// Goes on past failures, and returns them.
    pub fn remove(&self) -> Vec<String> {
        let mut failures = Vec::new();
        self.kill(&mut failures);
        match cgroup::Hierarchies::discover() {
            Ok(hierarchies) => {
                for group in &self.groups {
                    let group = hierarchies.group(group);
                    if let Err(error) = group.kill_all().and_then(|()| group.remove()) {
                        failures.push(error.to_string());
                    }
                }
            }
            Err(error) => failures.push(error.to_string()),
        }
        // The innermost first.
        for mount in self.mounts.iter().rev() {
            if let Err(error) = sys::mount::unmount_lazily(mount) {
                failures.push(format!("cannot unmount `{}`: {error}", mount.display()));
            }
        }
        if let Err(error) = self.network.remove() {
            failures.push(error.to_string());
        }
        for dir in &self.dirs {
            // A mount that is left would be emptied with the directory.
            if !mounts_below(std::slice::from_ref(dir)).is_empty() {
                failures.push(format!(
                    "`{}` is not removed: something is mounted below it",
                    dir.display()
                ));
            } else if let Err(error) = discard_all(dir).and_then(|()| remove_dir(dir)) {
                failures.push(format!("cannot remove `{}`: {error}", dir.display()));
            }
        }
        failures
    }

    /// Shims first, or they write down how the rest ended.
    fn kill(&self, failures: &mut Vec<String>) {
        let is_shim = |command: &str| command.starts_with("gantry-runtime shim");
        let (shims, others): (Vec<_>, Vec<_>) = self.processes.iter().partition(|(_, command)| is_shim(command));
        for (pid, command) in shims.into_iter().chain(others) {
            let Ok(handle) = sys::pidfd::open(*pid) else { continue };
            // Another process may have the number by now.
            if command_of(*pid) != *command {
                continue;
            }
            let _ = sys::pidfd::send_signal(&handle, 9);
            if !sys::pidfd::wait_for_end(&handle, DEATH_LIMIT).unwrap_or(false) {
                failures.push(format!("process {pid} (`{command}`) does not end"));
            }
        }
    }
}

fn unnamed(options: &CleanupOptions) -> EngineError {
    let known = Leftovers::instances().unwrap_or_default();
    let on_host = if known.is_empty() {
        "no bridge of one is on this host".to_owned()
    } else {
        format!("bridges of these are on this host: {}", known.join(", "))
    };
    EngineError::Conflict(format!(
        "neither `{}` nor `{}` names an instance: give the right --data-dir and --run-dir, or the six digits of its \
         bridge with --instance ({on_host})",
        options.data_dir.display(),
        options.run_dir.display()
    ))
}

fn refuse_running(dir: &Path) -> Result<(), EngineError> {
    let path = dir.join("server.lock");
    if !path.exists() {
        return Ok(());
    }
    let held = sys::lock_file::try_hold(&path).doing(|| format!("lock `{}`", path.display()))?;
    if held.is_some() {
        return Ok(());
    }
    Err(EngineError::Conflict(format!(
        "a server runs on `{}`; stop it first",
        dir.display()
    )))
}

fn containers_in(dir: &Path) -> Vec<ContainerId> {
    let entries = fs::read_dir(dir.join("containers")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| ContainerId::parse(entry.file_name().to_str()?).ok())
        .collect()
}

/// The containers' groups, and the parent with its shims where nothing else is in it.
fn groups(
    hierarchies: &cgroup::Hierarchies,
    options: &CleanupOptions,
    ids: &BTreeSet<ContainerId>,
) -> Result<Vec<String>, EngineError> {
    let parent = options.cgroup_parent.trim_end_matches('/');
    let group = hierarchies.group(parent);
    if !group.exists() {
        return Ok(Vec::new());
    }
    let children = group
        .list_children()
        .doing(|| format!("list the cgroups below `{parent}`"))?;
    let is_own = |name: &str| ContainerId::parse(name).is_ok_and(|id| options.all_groups || ids.contains(&id));
    let (own, others): (Vec<_>, Vec<_>) = children.into_iter().partition(|name| is_own(name));
    let mut groups: Vec<String> = own.iter().map(|name| format!("{parent}/{name}")).collect();
    let shims = format!("{parent}/shims");
    if others.iter().all(|name| name == "shims") {
        if others.iter().any(|name| name == "shims") {
            groups.push(shims);
        }
        groups.push(parent.to_owned());
    }
    Ok(groups)
}

/// The shim that is a process's parent, if one is.
fn shim_of(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    let parent = parent.trim().parse().ok()?;
    command_of(parent).starts_with("gantry-runtime shim").then_some(parent)
}

fn recorded_shim(run_dir: &Path, id: &ContainerId) -> Option<i32> {
    let path = run_dir.join("containers").join(id.as_str()).join(ShimRecord::FILE);
    let record = ShimRecord::from_json(&fs::read(path).ok()?).ok()?;
    let same = sys::pidfd::open_if_same(record.pid, record.start_ticks).ok().flatten();
    same.map(|_| record.pid)
}

fn command_of(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

/// Mount points at or below the directories, outermost first. proc_pid_mountinfo(5)
fn mounts_below(dirs: &[PathBuf]) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    // A data directory may be a file system of its own, which is not ours to unmount.
    points
        .filter(|point| dirs.iter().any(|dir| point.starts_with(dir) && point != dir))
        .collect()
}

/// Blanks and the like are written as `\040`.
fn unescape(text: &str) -> PathBuf {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        match rest
            .get(at + 1..at + 4)
            .and_then(|code| u8::from_str_radix(code, 8).ok())
        {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    PathBuf::from(out)
}

/// Snapshots below a data directory are subvolumes, which must be removed by themselves.
fn discard_all(dir: &Path) -> std::io::Result<()> {
    if !dir.exists() || !sys::btrfs::is_btrfs(dir)? {
        return Ok(());
    }
    sys::btrfs::remove_subvolumes_below(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn options(dir: &Path) -> CleanupOptions {
        CleanupOptions {
            data_dir: dir.join("data"),
            run_dir: dir.join("run"),
            cgroup_parent: "/gantry-test-of-cleanup".to_owned(),
            all_groups: false,
            instance: None,
            with_data: true,
        }
    }

    #[test]
    fn directories_that_name_no_instance_are_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let error = InstanceLeftovers::find(&options(dir.path())).unwrap_err();
        assert!(error.to_string().contains("--instance"), "{error}");
    }

    #[test]
    fn a_server_that_runs_is_not_cleaned_up_after() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let layout = Layout::make(&options.data_dir, &options.run_dir).unwrap();
        crate::instance::name(&layout).unwrap();
        let held = crate::instance::lock(&layout).unwrap();
        let error = InstanceLeftovers::find(&options).unwrap_err();
        assert!(error.to_string().contains("stop it first"), "{error}");
        drop(held);
    }

    #[test]
    fn mount_points_are_read_with_their_blanks() {
        assert_eq!(unescape(r"/a\040b\134c"), PathBuf::from(r"/a b\c"));
        assert_eq!(unescape("/plain"), PathBuf::from("/plain"));
    }
}
