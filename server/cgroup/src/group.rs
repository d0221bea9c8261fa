//! One group: the same path below every hierarchy.

use crate::control_file;
use crate::error::CgroupError;
use crate::hierarchy::{Controller, Mounts, Version};
use crate::kill;
use crate::v1;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// To make a group whose parent comes and goes.
const MOST_TRIES: u32 = 20;

/// A name, not a handle: nothing is opened or made before it is asked for.
#[derive(Debug, Clone)]
pub struct Group {
    mounts: Arc<Mounts>,
    /// Below each mount; no `..`, not absolute.
    path: PathBuf,
}

/// What a new process needs to be in the group from its first moment.
#[derive(Debug)]
pub struct Entry {
    /// The directory in the v2 tree, for `CLONE_INTO_CGROUP`.
    pub v2: Option<OwnedFd>,
    /// `tasks` of each v1 hierarchy: the process itself writes `0` to each.
    pub v1_tasks: Vec<OwnedFd>,
}

/// How long a group may stay busy after its last process was killed.
const REMOVE_PATIENCE: Duration = Duration::from_secs(2);

impl Group {
    pub(crate) fn new(mounts: Arc<Mounts>, path: &str) -> Self {
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
        Self {
            mounts,
            path: parts.collect(),
        }
    }

    /// As it is written in `/proc/<pid>/cgroup` of a host without cgroup namespaces.
    pub fn path(&self) -> String {
        format!("/{}", self.path.display())
    }

    /// Makes the group and its parents in every hierarchy. What is already there is taken
    /// as it is, so that a second call changes nothing.
    pub fn create(&self) -> Result<(), CgroupError> {
        for v1 in &self.mounts.v1 {
            make(&v1.dir.join(&self.path))?;
            if v1.controllers.iter().any(|name| name == "cpuset") {
                crate::v1::cpuset::inherit(&v1.dir, &self.path)?;
            }
        }
        if let Some(v2) = &self.mounts.v2 {
            crate::v2::tree::enable_controllers(&v2.dir, &self.path, &v2.controllers)?;
            make(&v2.dir.join(&self.path))?;
        }
        Ok(())
    }

    /// [`Self::create`] for the parent of many: they inherit its processors and memory
    /// nodes without being told.
    pub fn create_for_many(&self) -> Result<(), CgroupError> {
        self.create()?;
        let sets = self.mounts.v1.iter();
        for v1 in sets.filter(|v1| v1.controllers.iter().any(|name| name == "cpuset")) {
            crate::v1::cpuset::pass_on(&v1.dir.join(&self.path))?;
        }
        Ok(())
    }

    /// [`Self::create`] for a container: refuses a group that somebody else is using.
    ///
    /// # Errors
    /// [`CgroupError::InUse`] when it holds processes, [`CgroupError::Frozen`] when it is frozen.
    pub fn create_unused(&self) -> Result<(), CgroupError> {
        let exists = self.counting_dirs().iter().any(|dir| dir.is_dir());
        let dir = || self.any_dir().unwrap_or_else(|| self.path.clone());
        if exists && !self.processes()?.is_empty() {
            return Err(CgroupError::InUse { dir: dir() });
        }
        if exists && self.is_frozen()? {
            return Err(CgroupError::Frozen { dir: dir() });
        }
        let made = self.create();
        if made.is_err() && !exists {
            // Some hierarchies may have it, and nobody would look for it there.
            let _ = self.remove();
        }
        made
    }

    pub fn exists(&self) -> bool {
        self.dirs().any(|dir| dir.is_dir())
    }

    /// Opens the doors for a process that is to be born into the group.
    pub fn entry(&self) -> Result<Entry, CgroupError> {
        let v2 = match &self.mounts.v2 {
            Some(v2) => {
                let dir = v2.dir.join(&self.path);
                let opened = File::open(&dir).map_err(|source| CgroupError::Open { dir, source })?;
                Some(opened.into())
            }
            None => None,
        };
        let v1_tasks = self
            .mounts
            .v1
            .iter()
            .map(|v1| {
                let dir = v1.dir.join(&self.path).join("tasks");
                match OpenOptions::new().write(true).open(&dir) {
                    Ok(file) => Ok(file.into()),
                    Err(source) => Err(CgroupError::Open { dir, source }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Entry { v2, v1_tasks })
    }

    /// The group's directory in each hierarchy of a host that has v1 ones, with the name by
    /// which hosts mount that: `memory`, `cpu,cpuacct`, `unified` for v2.
    pub fn dirs_by_hierarchy(&self) -> Vec<(String, PathBuf)> {
        if self.mounts.v1.is_empty() {
            return Vec::new();
        }
        let name = |dir: &Path| dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let v1 = self.mounts.v1.iter().filter_map(|v1| {
            let named = (!v1.controllers.is_empty()).then(|| v1.controllers.join(","));
            Some((named.or_else(|| name(&v1.dir))?, v1.dir.join(&self.path)))
        });
        let v2 = self.mounts.v2.iter();
        v1.chain(v2.map(|v2| ("unified".to_owned(), v2.dir.join(&self.path))))
            .collect()
    }

    /// Moves the calling process, which has one thread, into the group.
    pub fn join(&self) -> Result<(), CgroupError> {
        for v1 in &self.mounts.v1 {
            // A thread that moves itself needs no lock; a process waits milliseconds for
            // one that holds up every fork meanwhile.
            control_file::write(&v1.dir.join(&self.path).join("tasks"), "0")?;
        }
        match self.v2_dir() {
            Some(dir) => control_file::write(&dir.join("cgroup.procs"), "0"),
            None => Ok(()),
        }
    }

    /// Every process of the group and of groups inside it, each once, in rising order.
    pub fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        let mut found = BTreeSet::new();
        for dir in self.counting_dirs() {
            collect_processes(&dir, &mut found)?;
        }
        Ok(found.into_iter().collect())
    }

    /// The names of the groups directly inside this one, in order.
    pub fn list_children(&self) -> Result<Vec<String>, CgroupError> {
        let mut names = BTreeSet::new();
        for dir in self.dirs() {
            for child in children(&dir)? {
                if let Some(name) = child.file_name().and_then(|name| name.to_str()) {
                    names.insert(name.to_owned());
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Ends every process of the group, frozen or not.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        kill::kill_all(self)
    }

    /// Removes the group and what is inside it, innermost first. Absence is success.
    ///
    /// # Errors
    /// Goes on past a failure; the first one is told. `EBUSY` when processes stay.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + REMOVE_PATIENCE;
        self.release_realtime();
        let mut first = Ok(());
        for dir in self.dirs() {
            let removed = remove_tree(&dir, deadline);
            if first.is_ok() {
                first = removed;
            }
        }
        first
    }

    /// [`Self::remove`] of a group whose processes should have ended, at once: false when
    /// something is in it still, which then stays.
    pub fn remove_if_empty(&self) -> Result<bool, CgroupError> {
        self.release_realtime();
        for dir in self.dirs() {
            match fs::remove_dir(&dir) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) if is_busy(&error) => return Ok(false),
                Err(source) => return Err(CgroupError::Remove { dir, source }),
            }
        }
        Ok(true)
    }

    /// A group that is removed counts among its parent's children for a moment still.
    fn release_realtime(&self) {
        if let Some((Version::V1, dir)) = self.place(Controller::Cpu) {
            v1::realtime::release(&dir);
        }
    }

    /// Processes killed for want of memory since the group was made.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let Some((version, dir)) = self.place(Controller::Memory) else {
            return Ok(0);
        };
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = control_file::read_if_there(&dir.join(file))?.unwrap_or_default();
        Ok(control_file::keyed(&text, "oom_kill").unwrap_or(0))
    }

    /// Where the group is for `controller`; `None` when the host lacks that.
    pub(crate) fn place(&self, controller: Controller) -> Option<(Version, PathBuf)> {
        self.mounts
            .place(controller)
            .map(|(version, mount)| (version, mount.join(&self.path)))
    }

    /// The groups above the one at `dir`, topmost first, without the hierarchy's root.
    pub(crate) fn dirs_above(&self, dir: &Path) -> Vec<PathBuf> {
        let depth = self.path.components().count();
        let mut above: Vec<PathBuf> = dir.ancestors().take(depth).skip(1).map(Path::to_owned).collect();
        above.reverse();
        above
    }

    /// Controllers of each v1 hierarchy, none of one that has but a name, and the group's
    /// directory in it.
    pub(crate) fn v1_dirs(&self) -> impl Iterator<Item = (&[String], PathBuf)> {
        let v1 = self.mounts.v1.iter();
        v1.map(|v1| (v1.controllers.as_slice(), v1.dir.join(&self.path)))
    }

    pub(crate) fn has_v1(&self, controller: &str) -> bool {
        self.v1_dirs()
            .any(|(controllers, _)| controllers.iter().any(|name| name == controller))
    }

    /// The group's directory in the v2 tree.
    pub(crate) fn v2_dir(&self) -> Option<PathBuf> {
        self.mounts.v2.as_ref().map(|v2| v2.dir.join(&self.path))
    }

    /// Where the v2 tree is mounted.
    pub(crate) fn v2_mount(&self) -> Option<&Path> {
        self.mounts.v2.as_ref().map(|v2| v2.dir.as_path())
    }

    /// The group's directory in each v1 hierarchy that has but a name.
    pub(crate) fn dirs_without_controllers(&self) -> impl Iterator<Item = PathBuf> {
        let named = self.mounts.v1.iter().filter(|v1| v1.controllers.is_empty());
        named.map(|v1| v1.dir.join(&self.path))
    }

    /// The controllers the v2 tree has.
    pub(crate) fn v2_controllers(&self) -> &[String] {
        self.mounts.v2.as_ref().map_or(&[], |v2| &v2.controllers)
    }

    fn dirs(&self) -> impl Iterator<Item = PathBuf> {
        self.mounts.dirs().map(|dir| dir.join(&self.path))
    }

    fn any_dir(&self) -> Option<PathBuf> {
        self.dirs().next()
    }

    /// Processes enter every hierarchy; they are counted in two of them, in case somebody
    /// with the right to do so moved one out of the first.
    pub(crate) fn counting_dirs(&self) -> Vec<PathBuf> {
        let v1 = [Controller::Freezer, Controller::Pids, Controller::Memory]
            .into_iter()
            .filter_map(|controller| self.place(controller))
            .find(|(version, _)| *version == Version::V1)
            .map(|(_, dir)| dir);
        let mut dirs: Vec<PathBuf> = self.v2_dir().into_iter().chain(v1).collect();
        if dirs.is_empty() {
            dirs.extend(self.any_dir());
        }
        dirs
    }
}

fn make(dir: &Path) -> Result<(), CgroupError> {
    let mut tries = 1;
    loop {
        match fs::create_dir_all(dir) {
            Ok(()) => return Ok(()),
            // Another, who was the last in it, removed the parent in between.
            Err(error) if error.kind() == ErrorKind::NotFound && tries < MOST_TRIES => tries += 1,
            Err(source) => {
                return Err(CgroupError::Make {
                    dir: dir.to_owned(),
                    source,
                });
            }
        }
    }
}

/// The groups directly inside `dir`; none where `dir` is absent.
pub(crate) fn children(dir: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let failed = |source| CgroupError::Read {
        file: dir.to_owned(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => found.push(entry.path()),
            Ok(_) => {}
            // It went away while it was read.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(sys::errno::ENODEV)
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(sys::errno::EBUSY) || error.kind() == ErrorKind::DirectoryNotEmpty
}

pub(crate) fn collect_processes(dir: &Path, into: &mut BTreeSet<i32>) -> Result<(), CgroupError> {
    let procs = control_file::read_if_there(&dir.join("cgroup.procs"))?.unwrap_or_default();
    // A process of another pid namespace shows as 0, and 0 means oneself in every call.
    into.extend(
        procs
            .lines()
            .filter_map(|pid| pid.parse::<i32>().ok())
            .filter(|pid| *pid > 0),
    );
    for child in children(dir)? {
        collect_processes(&child, into)?;
    }
    Ok(())
}

fn remove_tree(dir: &Path, deadline: Instant) -> Result<(), CgroupError> {
    // Most groups have nothing inside: one call then.
    let mut wait = Duration::from_micros(200);
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(source) => {
                for child in children(dir)? {
                    remove_tree(&child, deadline)?;
                }
                // The kernel finishes a killed process a moment after its end is seen.
                if !is_busy(&source) || Instant::now() >= deadline {
                    return Err(CgroupError::Remove {
                        dir: dir.to_owned(),
                        source,
                    });
                }
            }
        }
        thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(20));
    }
}
