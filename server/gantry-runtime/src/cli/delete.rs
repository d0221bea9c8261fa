//! `delete`: removes what a stopped container left.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::hooks;
use super::state_file::{self, StateFile, Status};
use anyhow::{Context as _, Result, bail};
use cgroup::Group;
use oci_spec::runtime::Spec;
use std::time::Duration;

/// How long a killed container may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn delete(global: &Global, mut arguments: Arguments) -> Result<()> {
    let mut id = None;
    let mut force = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Operand(text) => id = Some(text),
            Argument::Switch(name) if matches!(name.as_str(), "f" | "force") => force = true,
            Argument::Switch(name) => return unknown(&name),
        }
    }
    let id = id.context("name the container")?;
    let state = match StateFile::load(global, &id) {
        Ok(state) => state,
        // Gone already, or never made whole.
        Err(_) if force => {
            let _ = state_file::remove(&state_file::dir(global, &id)?);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let status = state.status(global)?;
    // A created container has run nothing: it may go as it is.
    if !force && matches!(status, Status::Running | Status::Paused) {
        bail!(
            "cannot delete container `{id}` that is not stopped: it is {}; stop it first or use --force",
            status.word()
        );
    }
    let spec = state.spec(global);
    remove(global, &state, &state.group()?, spec.as_ref().ok())
}

/// Ends whatever is left and removes cgroup and state.
pub(super) fn remove(global: &Global, state: &StateFile, group: &Group, spec: Option<&Spec>) -> Result<()> {
    let init = sys::pidfd::open_if_same(state.pid, state.start_ticks).ok().flatten();
    // With init its pid namespace has ended, and mostly nothing is left.
    if init.is_some() || state.unit.is_some() || !group.remove_if_empty()? {
        group.kill_all().context("cannot kill what is left")?;
        if let Some(init) = init {
            let _ = sys::pidfd::send_signal(&init, 9);
            let ended = sys::pidfd::wait_for_end(&init, PATIENCE)?;
            if !ended {
                bail!("container `{}` does not end", state.id);
            }
        }
        if state.unit.is_none() {
            group.remove().context("cannot remove the cgroup")?;
        }
    }
    if let Some(unit) = &state.unit {
        cgroup::systemd::stop(unit).context("cannot end the scope")?;
        // What the container divided further is nobody's then.
        group.remove().context("cannot remove the cgroup")?;
    }
    if let Some((shared, mount)) = spec
        .and_then(|spec| runtime::SharedRoot::of(spec, &state.bundle))
        .zip(state.root_mount)
    {
        shared.detach(mount).context("cannot detach the root filesystem")?;
    }
    runtime::resctrl::remove(&state.resctrl).context("cannot remove the class of service")?;
    state_file::remove(&state_file::dir(global, &state.id)?).context("cannot remove the state")?;
    if let Some(spec) = spec {
        hooks::after_end(global, state, spec);
    }
    Ok(())
}
