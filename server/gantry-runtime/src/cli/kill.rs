//! `kill`, `pause`, `resume`.

use super::arguments::{Argument, Arguments, Global, only_id, unknown};
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result, bail};
use model::Signal;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

pub(super) fn kill(global: &Global, mut arguments: Arguments) -> Result<()> {
    let mut operands = Vec::new();
    let mut all = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Operand(text) => operands.push(text),
            Argument::Switch(name) if matches!(name.as_str(), "a" | "all") => all = true,
            Argument::Switch(name) => return unknown(&name),
        }
    }
    let (id, signal) = match operands.as_slice() {
        [id] => (id, Some(Signal::TERM)),
        // Only asks whether a signal could be sent. kill(2)
        [id, signal] if signal == "0" => (id, None),
        [id, signal] => (id, Some(Signal::parse(signal)?)),
        _ => bail!("usage: kill [--all] ID [SIGNAL]"),
    };
    let number = signal.map_or(0, Signal::number);
    let state = StateFile::load(global, id)?;
    let status = state.status(global)?;
    if all {
        for pid in state.group()?.processes()? {
            if let Ok(handle) = sys::pidfd::open(pid) {
                let _ = sys::pidfd::send_signal(&handle, number);
            }
        }
        return Ok(());
    }
    if signal == Some(Signal::KILL) && !has_pid_namespace(&state.spec(global)?) {
        // No namespace ends its other processes with init, or after it.
        let group = state.group()?;
        if status != Status::Stopped || !group.processes()?.is_empty() {
            return Ok(group.kill_all()?);
        }
    }
    if status == Status::Stopped {
        bail!("container not running: `{id}` has ended");
    }
    let init = sys::pidfd::open_if_same(state.pid, state.start_ticks)?
        .with_context(|| format!("container not running: `{id}` has ended"))?;
    sys::pidfd::send_signal(&init, number).with_context(|| format!("cannot signal container `{id}`"))?;
    if status == Status::Paused && signal == Some(Signal::KILL) {
        // A frozen process dies when it thaws.
        let _ = state.group()?.thaw();
    }
    Ok(())
}

/// Whether the container's processes are in a pid namespace of their own.
fn has_pid_namespace(spec: &Spec) -> bool {
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    let mut namespaces = namespaces.into_iter().flatten();
    namespaces.any(|one| one.typ() == LinuxNamespaceType::Pid && one.path().is_none())
}

pub(super) fn pause(global: &Global, mut arguments: Arguments) -> Result<()> {
    let state = StateFile::load(global, &only_id(&mut arguments)?)?;
    match state.status(global)? {
        Status::Running | Status::Created => Ok(state.group()?.freeze()?),
        Status::Paused => Ok(()),
        Status::Stopped => bail!("container not running: `{}` has ended", state.id),
    }
}

pub(super) fn resume(global: &Global, mut arguments: Arguments) -> Result<()> {
    let state = StateFile::load(global, &only_id(&mut arguments)?)?;
    if state.status(global)? != Status::Paused {
        bail!("container not paused: `{}`", state.id);
    }
    Ok(state.group()?.thaw()?)
}
