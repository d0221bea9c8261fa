//! What the command line remembers of a container between two commands:
//! `ROOT/<id>/state.json`, beside the FIFO its init waits at.

use super::arguments::Global;
use anyhow::{Context as _, Result, bail};
use cgroup::{Group, Hierarchies};
use model::container::InitProcess;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FILE: &str = "state.json";
const FIFO: &str = "exec.fifo";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StateFile {
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) start_ticks: u64,
    pub(super) bundle: PathBuf,
    pub(super) cgroup: String,
    /// RFC 3339.
    pub(super) created: String,
    pub(super) started: bool,
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
        bail!("`{id}` is no container id; use letters, digits and `_`, `+`, `-`, `.`");
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

impl StateFile {
    pub(super) fn load(global: &Global, id: &str) -> Result<Self> {
        let path = dir(global, id)?.join(FILE);
        let json = fs::read(&path).with_context(|| format!("container `{id}` does not exist"))?;
        serde_json::from_slice(&json).with_context(|| format!("`{}` is damaged", path.display()))
    }

    pub(super) fn save(&self, global: &Global) -> Result<()> {
        let dir = dir(global, &self.id)?;
        let path = dir.join(FILE);
        let temporary = dir.join(".state.json.new");
        fs::write(&temporary, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&temporary, &path))
            .with_context(|| format!("cannot write `{}`", path.display()))
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

    pub(super) fn spec(&self) -> Result<Spec> {
        let path = self.bundle.join("config.json");
        Spec::load(&path).with_context(|| format!("cannot read `{}`", path.display()))
    }

    /// Asks the kernel.
    pub(super) fn status(&self) -> Result<Status> {
        if !is_alive(self.init()) {
            return Ok(Status::Stopped);
        }
        if !self.started {
            return Ok(Status::Created);
        }
        let frozen = self.group()?.is_frozen().unwrap_or(false);
        Ok(if frozen { Status::Paused } else { Status::Running })
    }

    /// The state as the runtime specification has it.
    pub(super) fn to_oci(&self, status: Status) -> serde_json::Value {
        let pid = if status == Status::Stopped { 0 } else { self.pid };
        serde_json::json!({
            "ociVersion": "1.2.0",
            "id": self.id,
            "pid": pid,
            "status": status.word(),
            "bundle": self.bundle,
            "rootfs": self.bundle.join("rootfs"),
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
