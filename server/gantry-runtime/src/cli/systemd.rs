//! `--systemd-cgroup`: the cgroup is a scope that systemd makes.

use anyhow::{Context as _, Result};
use cgroup::{Group, Hierarchies, systemd};
use oci_spec::runtime::Spec;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use sys::clone::{Birth, Cloned};

/// A scope whose container is being made. Dropped before it is kept, it is ended.
pub(super) struct Scope {
    unit: String,
    group: Group,
    kept: bool,
    placeholder: Placeholder,
}

/// A process that is in the scope until the container is: systemd makes none for nobody,
/// and an empty one ends. It does nothing, and ends with this command if not before.
struct Placeholder {
    pid: i32,
    pidfd: OwnedFd,
    /// Init has it open as well until its program begins.
    _pipe: OwnedFd,
    ended: bool,
}

impl Scope {
    pub(super) fn start(hierarchies: &Hierarchies, spec: &Spec, id: &str) -> Result<Self> {
        let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref());
        let path = path.map(|path| path.to_string_lossy());
        let scope = systemd::Scope::parse(path.as_deref(), id)?;
        systemd::expect(hierarchies)?;
        let placeholder = Placeholder::begin()?;
        let pid = u32::try_from(placeholder.pid).context("a process has no number")?;
        let group = scope.start(hierarchies, pid, &format!("container {id}"))?;
        Ok(Self {
            unit: scope.unit().to_owned(),
            group,
            kept: false,
            placeholder,
        })
    }

    pub(super) fn unit(&self) -> &str {
        &self.unit
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// The container is in it, with its limits.
    pub(super) fn keep(mut self) -> Result<()> {
        systemd::tell_limits(&self.unit, &self.group).context("cannot tell systemd of the limits")?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.placeholder.end();
        if !self.kept {
            // Of two failures the first is the one to tell.
            let _ = systemd::stop(&self.unit);
        }
    }
}

impl Placeholder {
    fn begin() -> Result<Self> {
        let (read, write) = std::io::pipe().context("cannot make a pipe")?;
        match sys::clone::clone(Birth::default()).context("cannot clone")? {
            Cloned::Child => {
                drop(write);
                let _ = File::from(OwnedFd::from(read)).read(&mut [0]);
                sys::clone::exit_now(0)
            }
            Cloned::Parent { pid, pidfd } => Ok(Self {
                pid,
                pidfd,
                _pipe: write.into(),
                ended: false,
            }),
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            let _ = sys::pidfd::send_signal(&self.pidfd, 9);
            let _ = sys::children::wait_for(self.pid);
        }
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.end();
    }
}

/// Limits that were changed.
pub(super) fn tell(unit: Option<&str>, group: &Group) -> Result<()> {
    match unit {
        Some(unit) => systemd::tell_limits(unit, group).context("cannot tell systemd of the limits"),
        None => Ok(()),
    }
}
