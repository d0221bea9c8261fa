//! `kill`, `pause`, `resume`.

use super::arguments::{Argument, Arguments, Global, only_id, unknown};
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result, bail};
use model::Signal;

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
        [id] => (id, Signal::TERM),
        [id, signal] => (id, Signal::parse(signal)?),
        _ => bail!("usage: kill [--all] ID [SIGNAL]"),
    };
    let state = StateFile::load(global, id)?;
    let status = state.status(global)?;
    if all {
        for pid in state.group()?.processes()? {
            if let Ok(handle) = sys::pidfd::open(pid) {
                let _ = sys::pidfd::send_signal(&handle, signal.number());
            }
        }
        return Ok(());
    }
    if status == Status::Stopped {
        bail!("container not running: `{id}` has ended");
    }
    let init = sys::pidfd::open_if_same(state.pid, state.start_ticks)?
        .with_context(|| format!("container not running: `{id}` has ended"))?;
    sys::pidfd::send_signal(&init, signal.number()).with_context(|| format!("cannot signal container `{id}`"))?;
    if status == Status::Paused && signal == Signal::KILL {
        // A frozen process dies when it thaws.
        let _ = state.group()?.thaw();
    }
    Ok(())
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
