//! What the command line remembers of a container between two commands:
//! `ROOT/<id>/state.json`, a copy of `config.json` as it was at the creation, and the
//! FIFO its init waits at until it is started.

use super::arguments::Global;
use anyhow::{Context as _, Result, bail};
use cgroup::{Group, Hierarchies};
use model::container::InitProcess;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "state.json";
const FIFO: &str = "exec.fifo";
const OUTCOME: &str = "outcome.fifo";
const CONFIG: &str = "config.json";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StateFile {
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) cgroup: String,
    /// The unit that systemd made the cgroup for.
    #[serde(default)]
    pub(super) unit: Option<String>,
    /// Directories of resctrl that are removed with it, in this order.
    #[serde(default)]
    pub(super) resctrl: Vec<PathBuf>,
    /// RFC 3339.
    pub(super) created: String,
    /// Of the root filesystem, where the container has no mount namespace of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root_mount: Option<u64>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// runtime-spec, runtime.md, "State"; `paused` beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// An id becomes a directory's name.
pub(super) fn check_id(id: &str) -> Result<()> {
    let sound = !id.is_empty()
        && id.len() <= 1024
        && id != "."
        && id != ".."
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    if !sound {
        // The wording is that of runc and crun, which people and test suites search for.
        bail!(
            "invalid container ID `{id}`: it is empty, too long or has an invalid character; \
             use letters, digits and `_`, `+`, `-`, `.`, and begin with another than `.`"
        );
    }
    Ok(())
}

pub(super) fn dir(global: &Global, id: &str) -> Result<PathBuf> {
    check_id(id)?;
    Ok(global.root.join(id))
}

pub(super) fn fifo(dir: &Path) -> PathBuf {
    dir.join(FIFO)
}

/// Tells the `start` why the command did not begin.
pub(super) fn outcome(dir: &Path) -> PathBuf {
    dir.join(OUTCOME)
}

/// Keeps the configuration: what is changed in the bundle later has no effect.
/// runtime-spec, runtime.md, "Lifecycle", 2
pub(super) fn keep_config(dir: &Path, config: &[u8]) -> Result<()> {
    let path = dir.join(CONFIG);
    fs::write(&path, config).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Removes a container's directory with what is in it.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    // Without its state it is nobody's any more, whatever of the rest stays.
    for name in [FILE, CONFIG, FIFO, OUTCOME] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => fs::remove_dir_all(dir),
        outcome => outcome,
    }
}

impl StateFile {
    pub(super) fn load(global: &Global, id: &str) -> Result<Self> {
        let path = dir(global, id)?.join(FILE);
        let json = fs::read(&path).with_context(|| format!("container does not exist: `{id}`"))?;
        serde_json::from_slice(&json).with_context(|| format!("`{}` is damaged", path.display()))
    }

    /// Written once, in a directory that nobody has seen a container in before.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        let temporary = dir.join(".state.json.new");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::rename(&temporary, dir.join(FILE))
    }

    pub(super) fn with_init(&self, init: InitProcess) -> Self {
        Self {
            pid: init.pid,
            start_ticks: init.start_ticks,
            ..self.clone()
        }
    }

    pub(super) fn init(&self) -> InitProcess {
        InitProcess {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }

    pub(super) fn group(&self) -> Result<Group> {
        Ok(Hierarchies::discover()?.group(&self.cgroup))
    }

    /// As it was when the container was created.
    pub(super) fn spec(&self, global: &Global) -> Result<Spec> {
        let path = dir(global, &self.id)?.join(CONFIG);
        Ok(bundle::config_file::read(&path)?.spec)
    }

    /// Asks the kernel, and whether the gate is there still.
    pub(super) fn status(&self, global: &Global) -> Result<Status> {
        if !is_alive(self.init()) {
            return Ok(Status::Stopped);
        }
        if fifo(&dir(global, &self.id)?).exists() {
            return Ok(Status::Created);
        }
        let frozen = self.group()?.is_frozen().unwrap_or(false);
        Ok(if frozen { Status::Paused } else { Status::Running })
    }

    /// The state as the runtime specification has it.
    pub(super) fn to_oci(&self, status: Status) -> serde_json::Value {
        let pid = if status == Status::Stopped { 0 } else { self.pid };
        serde_json::json!({
            "ociVersion": bundle::config_file::OCI_VERSION,
            "id": self.id,
            "pid": pid,
            "status": status.word(),
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "annotations": self.annotations,
        })
    }
}

/// Whether that very process is there and no zombie.
fn is_alive(init: InitProcess) -> bool {
    if !sys::pidfd::start_ticks(init.pid).is_ok_and(|ticks| ticks == init.start_ticks) {
        return false;
    }
    let stat = fs::read(format!("/proc/{}/stat", init.pid)).unwrap_or_default();
    let after_name = stat.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 2);
    !matches!(stat.get(after_name), None | Some(b'Z' | b'X'))
}
