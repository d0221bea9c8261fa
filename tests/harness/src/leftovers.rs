use crate::process::{run, signal, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How one server's things are told from all others on the host.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub(crate) dir: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) cgroup_parent: String,
    pub(crate) instance: String,
    pub(crate) server: Option<u32>,
}

/// Everything of one server on the host, in words that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    pub mounts: BTreeSet<String>,
    pub cgroups: BTreeSet<String>,
    pub devices: BTreeSet<String>,
    /// The table without its counters.
    pub rules: String,
    /// Commands of processes, besides the server.
    pub processes: BTreeSet<String>,
    /// Below the directories of containers and of what runs.
    pub files: BTreeSet<String>,
}

impl Leftovers {
    /// Bridge and table stay until the host restarts: containers use them while no
    /// server runs. The parent itself stays, too, and in it the shims' group.
    pub fn is_only_the_network(&self) -> bool {
        let stays = |path: &&String| {
            path.ends_with("/shims")
                || path
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| name.starts_with("gantry-test-"))
        };
        self.mounts.is_empty()
            && self.processes.is_empty()
            && self.files.is_empty()
            && self.devices.iter().all(|name| name.starts_with("gantry-"))
            && self.cgroups.iter().all(|path| stays(&path))
    }

    pub(crate) fn assert_only_the_network(&self) {
        assert!(self.is_only_the_network(), "left on the host: {self:#?}");
    }
}

impl Own {
    /// The parent's directory in every hierarchy.
    pub(crate) fn group_dirs(&self) -> Vec<PathBuf> {
        let name = self.cgroup_parent.trim_start_matches('/');
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut dirs: Vec<PathBuf> = mounts
            .lines()
            .filter_map(|line| {
                let (front, back) = line.split_once(" - ")?;
                back.starts_with("cgroup").then(|| front.split(' ').nth(4)).flatten()
            })
            .map(|mount| Path::new(mount).join(name))
            .filter(|dir| dir.is_dir())
            .collect();
        dirs.sort();
        dirs.dedup();
        dirs
    }

    pub(crate) fn look(&self) -> Leftovers {
        let dir = self.dir.to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut cgroups = BTreeSet::new();
        for group in self.group_dirs() {
            below(&group, &mut |path| {
                if path.is_dir() {
                    cgroups.insert(path.to_string_lossy().into_owned());
                }
            });
        }
        let mut files = BTreeSet::new();
        for place in [self.data_dir.join("containers"), self.dir.join("run/containers")] {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                files.insert(entry.path().to_string_lossy().into_owned());
            }
        }
        Leftovers {
            mounts: mounts
                .lines()
                .filter(|line| line.contains(&dir))
                .map(str::to_owned)
                .collect(),
            cgroups,
            devices: self.devices(),
            rules: self.rules(),
            processes: self.processes().into_iter().map(|(_, command)| command).collect(),
            files,
        }
    }

    fn devices(&self) -> BTreeSet<String> {
        let all = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        // The bridge, and the cables: the digits alone may be part of another's name.
        let (bridge, cables) = (format!("gantry-{}", self.instance), format!("g{}-", self.instance));
        all.map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !self.instance.is_empty() && (*name == bridge || name.starts_with(&cables)))
            .collect()
    }

    fn rules(&self) -> String {
        let listed = run("nft", &["list", "table", "ip", &format!("gantry_{}", self.instance)]);
        let text = listed.map(|ended| ended.stdout).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("counter packets")).collect();
        lines.join("\n")
    }

    /// Processes in our groups, or that name our directory.
    fn processes(&self) -> Vec<(u32, String)> {
        let dir = self.dir.to_string_lossy().into_owned();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| Some(*pid) != self.server && *pid != std::process::id())
            .filter_map(|pid: u32| {
                let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let groups = String::from_utf8_lossy(&read("cgroup")).into_owned();
                let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
                let in_group = groups.lines().any(|line| {
                    line.split(':')
                        .nth(2)
                        .is_some_and(|path| path.starts_with(&format!("{}/", self.cgroup_parent)))
                });
                let is_zombie = command.is_empty();
                ((in_group || command.contains(&dir)) && !is_zombie).then_some((pid, command))
            })
            .collect()
    }

    /// Ends and removes whatever is there, in whatever state.
    pub(crate) fn clean(&self) {
        for _ in 0..3 {
            let mut processes = self.processes();
            // Young shims lie where the server lay.
            let shims: Vec<_> = processes.iter().filter_map(|(pid, _)| parent_shim(*pid)).collect();
            processes.extend(shims);
            // Shims first, or they write down how the rest ended.
            processes.sort_by_key(|(_, command)| !command.starts_with("gantry-runtime shim"));
            for (pid, _) in processes {
                signal(pid, "KILL");
            }
            if wait_until(Duration::from_secs(2), || self.processes().is_empty().then_some(())).is_some() {
                break;
            }
        }
        for group in self.group_dirs() {
            let mut dirs = Vec::new();
            below(&group, &mut |path| dirs.push(path.to_owned()));
            for dir in dirs.into_iter().rev().filter(|dir| dir.is_dir()) {
                let _ = fs::remove_dir(dir);
            }
        }
        for device in self.devices() {
            let _ = run("ip", &["link", "delete", &device]);
        }
        if !self.instance.is_empty() {
            let _ = run("nft", &["delete", "table", "ip", &format!("gantry_{}", self.instance)]);
        }
    }
}

/// The shim that is the process's parent, if one is.
fn parent_shim(pid: u32) -> Option<(u32, String)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    let parent: u32 = line.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{parent}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    command.starts_with("gantry-runtime shim").then_some((parent, command))
}

/// A directory and all below it, each before what is in it.
fn below(dir: &Path, seen: &mut dyn FnMut(&Path)) {
    seen(dir);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), seen);
        }
    }
}
