//! Groups that systemd makes, where it owns the tree: a scope for each container, below
//! the slice that the caller named, delegated to whoever asked.
//! <https://systemd.io/CGROUP_DELEGATION>; systemd.scope(5); org.freedesktop.systemd1(5)
//!
//! systemd makes, names and removes the group and all above it; what is inside is the
//! container's. Limits are written to the group's own files as ever and then told to
//! systemd, which else would write its own over them when it is reloaded.

mod bus;
mod message;

use crate::CgroupError;
use crate::control_file;
use crate::group::Group;
use crate::hierarchy::Hierarchies;
use bus::Connection;
use message::{Body, Value};
use model::container::limits::Ceiling;
use std::io;
use std::path::Path;

/// There while systemd is the host's init. sd_booted(3)
const BOOTED: &str = "/run/systemd/system";

/// Names of units have at most so many letters. systemd.unit(5)
const LONGEST_NAME: usize = 255;

#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    #[error(
        "systemd does not run this host (there is no `{BOOTED}`); choose the cgroup driver `cgroupfs` in the engine"
    )]
    NotBooted,
    #[error(
        "systemd owns control groups whole only where all are cgroup v2; this host's are {0}: \
         choose the cgroup driver `cgroupfs` in the engine"
    )]
    NotUnified(&'static str),
    #[error("systemd of an ordinary user is not asked; choose the cgroup driver `cgroupfs` in the engine")]
    NotRoot,
    #[error("cgroupsPath `{path}` is not of the form `slice:prefix:name` that systemd's driver takes: {why}")]
    Path { path: String, why: &'static str },
    #[error("cannot speak with systemd: {source}")]
    Connection { source: io::Error },
    #[error("systemd refuses {method}: {said} ({name})")]
    Refused {
        method: &'static str,
        name: String,
        said: String,
    },
    #[error("systemd could not do {method}: the job ended as `{result}`")]
    Job { method: &'static str, result: String },
    #[error("systemd made `{unit}`, but there is no cgroup `{path}`")]
    Elsewhere { unit: String, path: String },
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

/// A scope and where its group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    slice: String,
    unit: String,
}

impl Scope {
    /// Reads `slice:prefix:name`, or makes up a name for a container that has none.
    pub fn parse(path: Option<&str>, id: &str) -> Result<Self, SystemdError> {
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Self::named("system.slice", &format!("gantry-{id}"), id);
        };
        let parts: Vec<&str> = path.split(':').collect();
        let [slice, prefix, name] = parts[..] else {
            let why = "it has not three parts";
            return Err(SystemdError::Path {
                path: path.to_owned(),
                why,
            });
        };
        let slice = if slice.is_empty() { "system.slice" } else { slice };
        let stem = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}-{name}")
        };
        if name.is_empty() {
            let why = "its name is empty";
            return Err(SystemdError::Path {
                path: path.to_owned(),
                why,
            });
        }
        Self::named(slice, &stem, path)
    }

    fn named(slice: &str, stem: &str, path: &str) -> Result<Self, SystemdError> {
        let refuse = |why| {
            Err(SystemdError::Path {
                path: path.to_owned(),
                why,
            })
        };
        let Some(words) = slice.strip_suffix(".slice") else {
            return refuse("its slice does not end in `.slice`");
        };
        if words != "-" && words.split('-').any(str::is_empty) {
            return refuse("its slice has an empty part between dashes");
        }
        let unit = format!("{stem}.scope");
        let odd = |text: &str| {
            text.bytes()
                .any(|byte| !byte.is_ascii_alphanumeric() && !b":-_.\\@".contains(&byte))
        };
        if odd(slice) || odd(&unit) {
            return refuse("names of units have letters, digits and `:-_.\\@`");
        }
        if slice.len() > LONGEST_NAME || unit.len() > LONGEST_NAME {
            return refuse("names of units have at most 255 letters");
        }
        Ok(Self {
            slice: slice.to_owned(),
            unit,
        })
    }

    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Below the mount: a slice lies in those that its name begins with.
    /// systemd.slice(5)
    pub fn path(&self) -> String {
        let mut path = String::new();
        let words = self.slice.trim_end_matches(".slice");
        if words != "-" {
            let ends = words.match_indices('-').map(|(place, _)| place).chain([words.len()]);
            for end in ends {
                path.extend(["/", &words[..end], ".slice"]);
            }
        }
        format!("{path}/{}", self.unit)
    }

    /// Has the scope made with process `pid` in it, which must be there until others are:
    /// an empty scope ends.
    pub fn start(&self, hierarchies: &Hierarchies, pid: u32, description: &str) -> Result<Group, SystemdError> {
        expect(hierarchies)?;
        let text = |text: &str| Value::Text(text.to_owned());
        let mut properties = vec![
            ("Description", text(description)),
            ("Slice", text(&self.slice)),
            ("PIDs", Value::Numbers(vec![pid])),
            ("Delegate", Value::Flag(true)),
            // It neither waits for the start of the system nor goes at its end before others.
            ("DefaultDependencies", Value::Flag(false)),
            ("CollectMode", text("inactive-or-failed")),
        ];
        if self.slice != "-.slice" {
            properties.push(("Wants", Value::Texts(vec![self.slice.clone()])));
        }
        properties.extend(
            ["CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"]
                .map(|name| (name, Value::Flag(true))),
        );
        let mut body = Body::default();
        body.text(&self.unit);
        body.text("replace");
        body.properties(&properties);
        body.no_structures();
        Connection::open()?.do_job(bus::START_TRANSIENT_UNIT, &body)?;
        let group = hierarchies.group(&self.path());
        if group.exists() {
            return Ok(group);
        }
        let _ = stop(&self.unit);
        Err(SystemdError::Elsewhere {
            unit: self.unit.clone(),
            path: self.path(),
        })
    }
}

/// That systemd runs this host and owns all its groups.
pub fn expect(hierarchies: &Hierarchies) -> Result<(), SystemdError> {
    if !Path::new(BOOTED).is_dir() {
        return Err(SystemdError::NotBooted);
    }
    if !sys::user::is_root() {
        return Err(SystemdError::NotRoot);
    }
    match hierarchies.layout().name() {
        "v2" => Ok(()),
        other => Err(SystemdError::NotUnified(other)),
    }
}

/// Ends a unit and what is in it. One that is gone is no failure.
pub fn stop(unit: &str) -> Result<(), SystemdError> {
    let mut body = Body::default();
    body.text(unit);
    body.text("replace");
    match Connection::open()?.do_job(bus::STOP_UNIT, &body) {
        Err(SystemdError::Refused { name, .. }) if name == "org.freedesktop.systemd1.NoSuchUnit" => Ok(()),
        outcome => outcome,
    }
}

/// Tells systemd the limits that `group`, which is the unit's, has now, as the kernel
/// holds them. Until the next boot.
pub fn tell_limits(unit: &str, group: &Group) -> Result<(), SystemdError> {
    let Some(dir) = group.v2_dir() else { return Ok(()) };
    let mut body = Body::default();
    body.text(unit);
    body.flag(true);
    body.properties(&properties(&dir)?);
    Connection::open()?.call(bus::SET_UNIT_PROPERTIES, &body)?;
    Ok(())
}

/// Control files whose values systemd has a property for. systemd.resource-control(5)
const CEILINGS: [(&str, &str); 5] = [
    ("memory.max", "MemoryMax"),
    ("memory.high", "MemoryHigh"),
    ("memory.low", "MemoryLow"),
    ("memory.swap.max", "MemorySwapMax"),
    ("pids.max", "TasksMax"),
];
const SETS: [(&str, &str); 2] = [("cpuset.cpus", "AllowedCPUs"), ("cpuset.mems", "AllowedMemoryNodes")];
/// systemd's word for no limit.
const INFINITY: u64 = u64::MAX;

fn properties(dir: &Path) -> Result<Vec<(&'static str, Value)>, CgroupError> {
    let mut all = Vec::new();
    for (file, property) in CEILINGS {
        match control_file::ceiling(&dir.join(file))? {
            Some(Ceiling::At(number)) => all.push((property, Value::Number(number))),
            Some(Ceiling::Unlimited) => all.push((property, Value::Number(INFINITY))),
            None => {}
        }
    }
    for (file, property) in SETS {
        if let Some(list) = control_file::read_if_there(&dir.join(file))? {
            all.push((property, Value::Bytes(bits(&list))));
        }
    }
    // 0 stands for `cpu.idle`, which has no weight.
    if let Some(weight) = control_file::number(&dir.join("cpu.weight"))?.filter(|weight| *weight > 0) {
        all.push(("CPUWeight", Value::Number(weight)));
    }
    if let Some(text) = control_file::read_if_there(&dir.join("cpu.max"))? {
        let mut words = text.split_whitespace().map(str::parse::<u64>);
        if let (Some(quota), Some(Ok(period))) = (words.next(), words.next()) {
            let per_second = quota.map_or(INFINITY, |quota| quota.saturating_mul(1_000_000) / period.max(1));
            all.push(("CPUQuotaPerSecUSec", Value::Number(per_second)));
            all.push(("CPUQuotaPeriodUSec", Value::Number(period)));
        }
    }
    let weight = control_file::read_if_there(&dir.join("io.weight"))?;
    if let Some(weight) = weight.as_deref().and_then(|text| control_file::keyed(text, "default")) {
        all.push(("IOWeight", Value::Number(weight)));
    }
    Ok(all)
}

/// `0-3,7` as a bit for each number, the lowest first.
fn bits(list: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else {
            continue;
        };
        for number in first..=last {
            if bytes.len() <= number / 8 {
                bytes.resize(number / 8 + 1, 0);
            }
            bytes[number / 8] |= 1 << (number % 8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lies_in_those_that_its_name_begins_with() {
        let path = |text| Scope::parse(Some(text), "web").unwrap().path();
        assert_eq!(path("machine.slice:libpod:1f"), "/machine.slice/libpod-1f.scope");
        assert_eq!(
            path("kube-pods-one.slice:cri:x"),
            "/kube.slice/kube-pods.slice/kube-pods-one.slice/cri-x.scope"
        );
        assert_eq!(path(":docker:x"), "/system.slice/docker-x.scope");
        assert_eq!(path("-.slice::x"), "/x.scope");
        assert_eq!(
            Scope::parse(None, "web").unwrap().path(),
            "/system.slice/gantry-web.scope"
        );
    }

    #[test]
    fn paths_of_another_form_are_refused() {
        for bad in [
            "/absolute",
            "relative",
            "a.slice:b",
            "a.slice:b:c:d",
            "a.slice:b:",
            "a:b:c",
            "a--b.slice:c:d",
            "-a.slice:c:d",
            ".slice:c:d",
            "../a.slice:b:c",
            "a.slice:b/c:d",
            "a.slice:b:c d",
        ] {
            assert!(Scope::parse(Some(bad), "web").is_err(), "{bad}");
        }
        let long = format!("a.slice:b:{}", "c".repeat(300));
        assert!(Scope::parse(Some(&long), "web").is_err());
    }

    #[test]
    fn systemd_is_told_what_the_kernel_holds() {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.max", "67108864\n"),
            ("memory.swap.max", "max\n"),
            ("pids.max", "max\n"),
            ("cpu.weight", "100\n"),
            ("cpu.max", "50000 100000\n"),
            ("cpuset.cpus", "0-1,9\n"),
            ("io.weight", "default 200\n8:0 300\n"),
        ] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let expected = vec![
            ("MemoryMax", Value::Number(64 << 20)),
            ("MemorySwapMax", Value::Number(INFINITY)),
            ("TasksMax", Value::Number(INFINITY)),
            ("AllowedCPUs", Value::Bytes(vec![0b11, 0b10])),
            ("CPUWeight", Value::Number(100)),
            ("CPUQuotaPerSecUSec", Value::Number(500_000)),
            ("CPUQuotaPeriodUSec", Value::Number(100_000)),
            ("IOWeight", Value::Number(200)),
        ];
        assert_eq!(properties(dir.path()).unwrap(), expected);
        std::fs::write(dir.path().join("cpu.max"), "max 100000\n").unwrap();
        assert!(
            properties(dir.path())
                .unwrap()
                .contains(&("CPUQuotaPerSecUSec", Value::Number(INFINITY)))
        );
    }
}
