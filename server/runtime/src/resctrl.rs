//! A share of the processor's caches and memory bandwidth. runtime-spec,
//! config-linux.md, "IntelRdt"; kernel, filesystems/resctrl.rst
//!
//! The kernel has a directory for each class of service. One with the container's id is
//! made for a container that names none, and goes with it; a class that is named is
//! somebody's who made it, or stays for others. Monitoring is a directory below the
//! class, and always the container's.

use oci_spec::runtime::{LinuxIntelRdt, Spec};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const TASKS: &str = "tasks";
const SCHEMATA: &str = "schemata";
const MONITORS: &str = "mon_groups";

#[derive(Debug, thiserror::Error)]
pub enum ResctrlError {
    #[error(
        "linux.intelRdt asks for a class of service, but no resctrl filesystem is mounted; \
         mount one where the processor has it: `mount -t resctrl resctrl /sys/fs/resctrl`"
    )]
    NotMounted,
    #[error("linux.intelRdt: {0}")]
    Invalid(String),
    #[error("linux.intelRdt names the class of service `{0}`, which is not there and which no schema describes")]
    NoClass(String),
    #[error("the class of service `{class}` is there with other schemata: it lacks `{line}`")]
    Differs { class: String, line: String },
    #[error("the class of service `{0}` is not this container's alone; write to its `schemata` yourself")]
    Shared(String),
    #[error("cannot {deed} `{path}`: {source}")]
    System {
        deed: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

fn system<'a>(deed: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ResctrlError + 'a {
    move |source| ResctrlError::System {
        deed,
        path: path.to_owned(),
        source,
    }
}

/// Where the processes of a container are counted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    dir: PathBuf,
    /// Made for the container, and removed after it.
    own: bool,
    /// In the order in which they are written.
    schemata: Vec<String>,
    monitor: Option<PathBuf>,
}

impl Class {
    /// What the specification asks for; `None` where it asks for nothing, and then no
    /// resctrl filesystem is touched or looked for.
    pub fn of(spec: &Spec, id: &str) -> Result<Option<Self>, ResctrlError> {
        let wanted = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref());
        let Some(wanted) = wanted else { return Ok(None) };
        let table = "/proc/self/mountinfo";
        let mounts = fs::read_to_string(table).map_err(system("read", Path::new(table)))?;
        let root = mounted(&mounts).ok_or(ResctrlError::NotMounted)?;
        Self::below(&root, wanted, id).map(Some)
    }

    fn below(root: &Path, wanted: &LinuxIntelRdt, id: &str) -> Result<Self, ResctrlError> {
        let dir = match wanted.clos_id().as_deref() {
            None | Some("") => root.join(id),
            Some("/") => root.to_owned(),
            Some(name) if matches!(name, "." | ".." | "info" | "mon_data" | MONITORS) || name.contains('/') => {
                return Err(ResctrlError::Invalid(format!(
                    "`{name}` is no name of a class of service"
                )));
            }
            Some(name) => root.join(name),
        };
        let own = wanted.clos_id().as_ref().is_none_or(String::is_empty);
        let cache = wanted.l3_cache_schema().iter();
        let bandwidth = wanted.mem_bw_schema().iter();
        let schemata: Vec<String> = cache
            .chain(bandwidth)
            .chain(wanted.schemata().iter().flatten())
            .filter(|line| !line.is_empty())
            .cloned()
            .collect();
        if let Some(line) = schemata.iter().find(|line| line.contains('\n')) {
            return Err(ResctrlError::Invalid(format!("a schema is one line, not `{line:?}`")));
        }
        if let Some(line) = bandwidth_of(wanted).filter(|line| !line.starts_with("MB:")) {
            return Err(ResctrlError::Invalid(format!(
                "memBwSchema `{line}` does not begin with `MB:`"
            )));
        }
        let monitor = wanted.enable_monitoring().unwrap_or(false);
        Ok(Self {
            monitor: monitor.then(|| dir.join(MONITORS).join(id)),
            dir,
            own,
            schemata,
        })
    }

    /// Makes what is missing; on failure nothing of it is left.
    pub(crate) fn make(&self) -> Result<(), ResctrlError> {
        let made = self.make_dir()?;
        self.describe(made).and_then(|()| self.make_monitor()).inspect_err(|_| {
            if made {
                let _ = fs::remove_dir(&self.dir);
            }
        })
    }

    /// Whether the class was made.
    fn make_dir(&self) -> Result<bool, ResctrlError> {
        if !self.own && self.dir.is_dir() {
            return Ok(false);
        }
        if !self.own && self.schemata.is_empty() {
            return Err(ResctrlError::NoClass(self.name()));
        }
        match fs::create_dir(&self.dir) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.own => Ok(false),
            Err(error) => Err(system("make", &self.dir)(error)),
        }
    }

    /// Writes the schemata of a class that is new, and compares those of one that is not.
    fn describe(&self, made: bool) -> Result<(), ResctrlError> {
        let path = self.dir.join(SCHEMATA);
        if made {
            // A line at a time: the kernel names the one it refuses.
            return self
                .schemata
                .iter()
                .try_for_each(|line| fs::write(&path, format!("{line}\n")).map_err(system("describe", &path)));
        }
        if self.schemata.is_empty() {
            return Ok(());
        }
        let found = fs::read_to_string(&path).map_err(system("read", &path))?;
        let has = |line: &str| {
            let (kind, parts) = parts(line);
            found
                .lines()
                .map(self::parts)
                .any(|(other, there)| other == kind && parts.iter().all(|part| there.contains(part)))
        };
        match self.schemata.iter().find(|line| !has(line)) {
            None => Ok(()),
            Some(line) => Err(ResctrlError::Differs {
                class: self.name(),
                line: line.clone(),
            }),
        }
    }

    /// Gives a class that is the container's own further schemata, while it runs.
    ///
    /// # Errors
    /// [`ResctrlError::Shared`] when it was named, and so may be others' as well.
    pub fn change(&self, lines: &[String]) -> Result<(), ResctrlError> {
        if !self.own {
            return Err(ResctrlError::Shared(self.name()));
        }
        let path = self.dir.join(SCHEMATA);
        let mut lines = lines.iter();
        lines.try_for_each(|line| fs::write(&path, format!("{line}\n")).map_err(system("describe", &path)))
    }

    fn name(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn make_monitor(&self) -> Result<(), ResctrlError> {
        let Some(monitor) = &self.monitor else { return Ok(()) };
        fs::create_dir(monitor).map_err(system("make", monitor))
    }

    /// Counts a process in, with what it will begin.
    pub(crate) fn add(&self, pid: i32) -> Result<(), ResctrlError> {
        for dir in std::iter::once(&self.dir).chain(&self.monitor) {
            let tasks = dir.join(TASKS);
            fs::write(&tasks, pid.to_string()).map_err(system("write to", &tasks))?;
        }
        Ok(())
    }

    /// The directories that are the container's alone, in the order in which they can be
    /// removed.
    pub fn own_directories(&self) -> Vec<PathBuf> {
        let class = self.own.then(|| self.dir.clone());
        self.monitor.iter().cloned().chain(class).collect()
    }
}

fn bandwidth_of(wanted: &LinuxIntelRdt) -> Option<&str> {
    wanted.mem_bw_schema().as_deref().filter(|line| !line.is_empty())
}

/// The kind of a schema and what it says of each domain: `L3:0=f;1=f`. The kernel shows
/// values with spaces or zeros before them.
fn parts(line: &str) -> (&str, Vec<(&str, &str)>) {
    let (kind, rest) = line.split_once(':').unwrap_or((line, ""));
    let part = |part| {
        let (domain, value): (&str, &str) = str::split_once(part, '=').unwrap_or((part, ""));
        (domain.trim(), value.trim().trim_start_matches('0'))
    };
    (kind.trim(), rest.split(';').map(part).collect())
}

/// Removes what [`Class::own_directories`] named; what is gone is no failure.
///
/// # Errors
/// The first of those that happen; the others are removed all the same.
pub fn remove(directories: &[PathBuf]) -> io::Result<()> {
    let mut outcome = Ok(());
    for dir in directories {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => outcome = outcome.and(Err(error)),
            _ => {}
        }
    }
    outcome
}

/// The mount point of the resctrl filesystem. proc_pid_mountinfo(5)
fn mounted(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        kind.starts_with("resctrl ")
            .then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A tree as the kernel has it, of plain files.
    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("gold");
        fs::create_dir_all(class.join(MONITORS)).unwrap();
        fs::create_dir(root.path().join(MONITORS)).unwrap();
        fs::write(class.join(SCHEMATA), "    MB:0= 100\n    L3:0=ff;1=0f\n").unwrap();
        root
    }

    fn class(root: &Path, wanted: &Value) -> Result<Class, ResctrlError> {
        Class::below(root, &serde_json::from_value(wanted.clone()).unwrap(), "web")
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_container_without_a_class_gets_one_that_goes_with_it() {
        let root = tree();
        let made = class(
            root.path(),
            &json!({"l3CacheSchema": "L3:0=3", "memBwSchema": "MB:0=20"}),
        )
        .unwrap();
        made.make().unwrap();
        let dir = root.path().join("web");
        assert_eq!(read(&dir.join(SCHEMATA)), "MB:0=20\n", "the last line written");
        made.add(7).unwrap();
        assert_eq!(read(&dir.join(TASKS)), "7");
        made.change(&["L3:0=1".to_owned()]).unwrap();
        assert_eq!(read(&dir.join(SCHEMATA)), "L3:0=1\n");
        assert!(made.make().is_err(), "another's directory is not taken");
        assert!(dir.exists(), "and stays");
        for file in [SCHEMATA, TASKS] {
            fs::remove_file(dir.join(file)).unwrap();
        }
        remove(&made.own_directories()).unwrap();
        assert!(!dir.exists());
        remove(&made.own_directories()).unwrap();
    }

    #[test]
    fn a_class_that_is_named_must_be_as_asked_and_stays() {
        let root = tree();
        let gold = root.path().join("gold");
        let make = |wanted: Value| class(root.path(), &wanted).and_then(|class| class.make());
        make(json!({"closID": "gold", "schemata": ["L3:1=f", "MB:0=100"]})).unwrap();
        make(json!({"closID": "gold"})).unwrap();
        let differs = make(json!({"closID": "gold", "memBwSchema": "MB:0=10"}));
        assert!(matches!(differs, Err(ResctrlError::Differs { .. })), "{differs:?}");
        assert!(matches!(make(json!({"closID": "tin"})), Err(ResctrlError::NoClass(_))));
        assert!(!root.path().join("tin").exists());
        make(json!({"closID": "tin", "schemata": ["L3:0=1"]})).unwrap();
        assert!(root.path().join("tin").is_dir());
        assert_eq!(read(&gold.join(SCHEMATA)), "    MB:0= 100\n    L3:0=ff;1=0f\n");
        let named = class(root.path(), &json!({"closID": "gold"})).unwrap();
        assert!(named.own_directories().is_empty());
        let changed = named.change(&["MB:0=10".to_owned()]);
        assert!(matches!(changed, Err(ResctrlError::Shared(_))), "{changed:?}");
    }

    #[test]
    fn a_monitor_is_the_containers_even_in_anothers_class() {
        let root = tree();
        for (name, dir) in [("gold", root.path().join("gold")), ("/", root.path().to_owned())] {
            let watched = class(root.path(), &json!({"closID": name, "enableMonitoring": true})).unwrap();
            watched.make().unwrap();
            watched.add(9).unwrap();
            let monitor = dir.join(MONITORS).join("web");
            assert_eq!(read(&monitor.join(TASKS)), "9");
            assert_eq!(read(&dir.join(TASKS)), "9");
            assert_eq!(watched.own_directories(), [monitor]);
            assert!(watched.make().is_err(), "it is there");
        }
    }

    #[test]
    fn a_monitor_that_cannot_be_leaves_no_class() {
        let root = tree();
        // No `mon_groups` below a plain directory: the kernel's is full or lacks them.
        let watched = class(root.path(), &json!({"enableMonitoring": true})).unwrap();
        assert!(watched.make().is_err());
        assert!(!root.path().join("web").exists());
    }

    #[test]
    fn names_that_lead_elsewhere_and_schemata_of_two_lines_are_refused() {
        let root = tree();
        for name in ["..", ".", "a/b", "/a", "info", "mon_groups"] {
            assert!(class(root.path(), &json!({"closID": name})).is_err(), "{name}");
        }
        for wanted in [
            json!({"schemata": ["L3:0=1\nMB:0=1"]}),
            json!({"l3CacheSchema": "L3:0=1\nL3:1=1"}),
            json!({"memBwSchema": "L3:0=1"}),
        ] {
            assert!(class(root.path(), &wanted).is_err(), "{wanted}");
        }
    }

    #[test]
    fn the_mount_is_found_by_its_type() {
        let table = "22 1 0:20 / /sys rw - sysfs sysfs rw\n40 22 0:40 / /sys/fs/a\\040b rw,relatime shared:9 - resctrl resctrl rw\n";
        assert_eq!(mounted(table), Some(PathBuf::from("/sys/fs/a b")));
        assert_eq!(mounted("40 22 0:40 / /resctrl rw - tmpfs resctrl rw\n"), None);
    }
}
