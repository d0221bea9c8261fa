//! Where the host's control groups are mounted, and which controller is where.

use crate::control_file;
use crate::error::CgroupError;
use crate::group::Group;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A kernel controller, or what v2 has without naming it a controller (devices, freezer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    Cpu,
    /// v1 only; on v2 the numbers are in `cpu.stat`.
    Cpuacct,
    Cpuset,
    Memory,
    /// `blkio` on v1.
    Io,
    Pids,
    Devices,
    Freezer,
    Hugetlb,
    Rdma,
    /// v1 only: the class of packets, by `net_cls`.
    NetworkClass,
    /// v1 only: the priority of packets, by `net_prio`.
    NetworkPriority,
}

impl Controller {
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Io,
        Self::Pids,
        Self::Devices,
        Self::Freezer,
        Self::Hugetlb,
        Self::Rdma,
        Self::NetworkClass,
        Self::NetworkPriority,
    ];

    /// Its name in the options of a v1 mount.
    fn v1_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Io => "blkio",
            Self::Pids => "pids",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Hugetlb => "hugetlb",
            Self::Rdma => "rdma",
            Self::NetworkClass => "net_cls",
            Self::NetworkPriority => "net_prio",
        }
    }

    /// Its name in `cgroup.controllers`; `None` for what every v2 group has.
    fn v2_name(self) -> Option<&'static str> {
        match self {
            Self::Cpu => Some("cpu"),
            Self::Cpuset => Some("cpuset"),
            Self::Memory => Some("memory"),
            Self::Io => Some("io"),
            Self::Pids => Some("pids"),
            Self::Hugetlb => Some("hugetlb"),
            Self::Rdma => Some("rdma"),
            Self::Cpuacct | Self::Devices | Self::Freezer | Self::NetworkClass | Self::NetworkPriority => None,
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.v2_name().unwrap_or_else(|| self.v1_name()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// The host's mounts of control groups. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hierarchies {
    mounts: Arc<Mounts>,
}

#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Mounts {
    pub(crate) v1: Vec<V1>,
    pub(crate) v2: Option<V2>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct V1 {
    pub(crate) dir: PathBuf,
    /// As in the mount options; empty for a hierarchy that has but a name.
    pub(crate) controllers: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct V2 {
    pub(crate) dir: PathBuf,
    /// What `cgroup.controllers` of the mount lists.
    pub(crate) controllers: Vec<String>,
}

/// Which interface each controller has, for people who ask what the host can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Every [`Controller::ALL`], in that order; `None` where the host lacks it.
    pub controllers: Vec<(Controller, Option<Version>)>,
    pub v1_mounts: Vec<PathBuf>,
    pub v2_mount: Option<PathBuf>,
}

impl Layout {
    pub fn version_of(&self, controller: Controller) -> Option<Version> {
        self.controllers
            .iter()
            .find(|(of, _)| *of == controller)
            .and_then(|(_, version)| *version)
    }

    /// `v2`, `v1` or `hybrid`.
    pub fn name(&self) -> &'static str {
        match (&self.v2_mount, self.v1_mounts.is_empty()) {
            (Some(_), true) => "v2",
            (Some(_), false) => "hybrid",
            (None, false) => "v1",
            (None, true) => "none",
        }
    }
}

impl Hierarchies {
    /// Reads the mounts from `/proc/self/mountinfo`. Root of a user namespace that is not
    /// the host's gets those alone in which it was given a part, which may be none.
    ///
    /// # Errors
    /// [`CgroupError::NoHierarchy`] when there is none.
    pub fn discover() -> Result<Self, CgroupError> {
        let mut mounts = parse_mountinfo(&control_file::read(Path::new("/proc/self/mountinfo"))?);
        if let Some(v2) = &mut mounts.v2 {
            v2.controllers = control_file::read(&v2.dir.join("cgroup.controllers"))?
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect();
        }
        let is_initial = sys::user_namespace::is_initial();
        if !is_initial {
            mounts.keep_delegated()?;
        }
        if is_initial && mounts.v1.is_empty() && mounts.v2.is_none() {
            return Err(CgroupError::NoHierarchy);
        }
        Ok(Self {
            mounts: Arc::new(mounts),
        })
    }

    /// The group at `path` below every mount, `/gantry/<id>`; whether it is there or not.
    pub fn group(&self, path: &str) -> Group {
        Group::new(self.mounts.clone(), path)
    }

    pub fn layout(&self) -> Layout {
        Layout {
            controllers: Controller::ALL
                .into_iter()
                .map(|controller| (controller, self.mounts.place(controller).map(|(version, _)| version)))
                .collect(),
            v1_mounts: self.mounts.v1.iter().map(|v1| v1.dir.clone()).collect(),
            v2_mount: self.mounts.v2.as_ref().map(|v2| v2.dir.clone()),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(mounts: Mounts) -> Self {
        Self {
            mounts: Arc::new(mounts),
        }
    }
}

impl Mounts {
    /// The mount that has `controller`: the v2 tree if it lists it there, else its v1
    /// mount. What v2 has without listing it counts only where no v1 mount has it.
    pub(crate) fn place(&self, controller: Controller) -> Option<(Version, &Path)> {
        let v2 = self.v2.as_ref();
        if let (Some(v2), Some(name)) = (v2, controller.v2_name())
            && v2.controllers.iter().any(|listed| listed == name)
        {
            return Some((Version::V2, &v2.dir));
        }
        let v1 = self
            .v1
            .iter()
            .find(|v1| v1.controllers.iter().any(|name| name == controller.v1_name()));
        if let Some(v1) = v1 {
            return Some((Version::V1, &v1.dir));
        }
        match controller {
            // Usage of the processor is `cpu.stat`, which every v2 group has.
            Controller::Cpuacct | Controller::Devices | Controller::Freezer => {
                v2.map(|v2| (Version::V2, v2.dir.as_path()))
            }
            _ => None,
        }
    }

    /// Of v1 what may be written from the top, of v2 what was given to this process's own
    /// group. kernel, cgroup-v2, "Delegation"
    fn keep_delegated(&mut self) -> Result<(), CgroupError> {
        let may_write = |file: &Path| std::fs::File::options().write(true).open(file).is_ok();
        self.v1.retain(|v1| may_write(&v1.dir.join("tasks")));
        let memberships = control_file::read(Path::new("/proc/self/cgroup"))?;
        let own = memberships.lines().find_map(|line| line.strip_prefix("0::/"));
        let v2 = self.v2.take();
        if let (Some(mut v2), Some(own)) = (v2, own) {
            let dir = v2.dir.join(own);
            if may_write(&dir.join("cgroup.procs")) && may_write(&dir.join("cgroup.subtree_control")) {
                let listed = control_file::read(&dir.join("cgroup.controllers"))?;
                v2.controllers = listed.split_ascii_whitespace().map(str::to_owned).collect();
                self.v2 = Some(v2);
            }
        }
        Ok(())
    }

    /// Every mount's directory, v2 first.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = &Path> {
        let v2 = self.v2.iter().map(|v2| v2.dir.as_path());
        v2.chain(self.v1.iter().map(|v1| v1.dir.as_path()))
    }
}

/// Options of a v1 mount that name no controller. cgroups(7)
const NOT_CONTROLLERS: [&str; 8] = [
    "rw",
    "ro",
    "none",
    "noprefix",
    "clone_children",
    "cpuset_v2_mode",
    "xattr",
    "favordynmods",
];

/// A hierarchy mounted twice counts once, where it was mounted first. proc_pid_mountinfo(5)
fn parse_mountinfo(text: &str) -> Mounts {
    let mut mounts = Mounts::default();
    let mut devices = Vec::new();
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let Some(dir) = before.split(' ').nth(4).map(unescape) else {
            continue;
        };
        let mut after = after.split(' ');
        match after.next() {
            Some("cgroup2") if mounts.v2.is_none() => {
                mounts.v2 = Some(V2 {
                    dir,
                    controllers: Vec::new(),
                });
            }
            Some("cgroup") => {
                // One hierarchy is one device, however its name is written and wherever a
                // container without a mount namespace of its own has it mounted as well.
                let device = before.split(' ').nth(2);
                if devices.contains(&device) {
                    continue;
                }
                devices.push(device);
                let options: Vec<&str> = after.nth(1).unwrap_or_default().split(',').collect();
                let controllers: Vec<String> = options
                    .iter()
                    .filter(|option| !option.contains('=') && !NOT_CONTROLLERS.contains(option))
                    .map(|option| (*option).to_owned())
                    .collect();
                let seen = !controllers.is_empty() && mounts.v1.iter().any(|v1| v1.controllers == controllers);
                // The name alone tells apart what has no controllers; such mounts are few.
                if !seen && !mounts.v1.iter().any(|v1| v1.dir == dir) {
                    mounts.v1.push(V1 { dir, controllers });
                }
            }
            _ => {}
        }
    }
    mounts
}

/// Spaces, tabs, line ends and backslashes are written as `\` and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 4)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(byte) => {
                out.push(char::from(byte));
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

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/a\\040b rw,relatime - cgroup cgroup rw,devices
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
42 31 0:32 / /mnt/memory rw,relatime - cgroup cgroup rw,memory
43 31 0:37 /a /mnt/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
";

    #[test]
    fn every_hierarchy_of_a_hybrid_host_is_found_once() {
        let mounts = parse_mountinfo(HYBRID);
        let dirs: Vec<_> = mounts.dirs().map(|dir| dir.display().to_string()).collect();
        assert_eq!(
            dirs,
            [
                "/sys/fs/cgroup/unified",
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/a b",
                "/sys/fs/cgroup/systemd"
            ]
        );
    }

    #[test]
    fn the_version_is_a_question_of_each_controller() {
        let mut mounts = parse_mountinfo(HYBRID);
        mounts.v2.as_mut().unwrap().controllers = vec!["pids".into(), "memory".into()];
        let layout = Hierarchies::of(mounts).layout();
        assert_eq!(layout.version_of(Controller::Memory), Some(Version::V2));
        assert_eq!(layout.version_of(Controller::Cpu), Some(Version::V1));
        assert_eq!(layout.version_of(Controller::Devices), Some(Version::V1));
        assert_eq!(layout.version_of(Controller::Freezer), Some(Version::V2));
        assert_eq!(layout.version_of(Controller::Io), None);
        assert_eq!(layout.name(), "hybrid");
    }
}
