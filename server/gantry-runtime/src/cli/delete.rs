//! `delete`: removes what a stopped container left.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::{self, StateFile, Status};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::time::{Duration, Instant};

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
            let _ = fs::remove_dir_all(state_file::dir(global, &id)?);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let status = state.status()?;
    // A created container has run nothing: it may go as it is.
    if !force && matches!(status, Status::Running | Status::Paused) {
        bail!("container `{id}` is {}; stop it first or use --force", status.word());
    }
    remove(global, &state)
}

/// Ends whatever is left and removes cgroup and state.
pub(super) fn remove(global: &Global, state: &StateFile) -> Result<()> {
    let group = state.group()?;
    group.kill_all().context("cannot kill what is left")?;
    if let Ok(Some(init)) = sys::pidfd::open_if_same(state.pid, state.start_ticks) {
        let _ = sys::pidfd::send_signal(&init, 9);
        wait_until_gone(state)?;
    }
    group.remove().context("cannot remove the cgroup")?;
    let spec = state.spec();
    fs::remove_dir_all(state_file::dir(global, &state.id)?).context("cannot remove the state")?;
    if let Ok(spec) = spec
        && let Some(hooks) = spec.hooks()
        && let Err(error) = runtime::hooks::run("poststop", hooks.poststop().as_ref(), &state.to_oci(Status::Stopped))
    {
        super::log::error(global, &error.into());
    }
    Ok(())
}

fn wait_until_gone(state: &StateFile) -> Result<()> {
    let begun = Instant::now();
    let handle = sys::pidfd::open(state.pid);
    let poll = sys::epoll::Poll::new()?;
    if let Ok(handle) = &handle {
        // Readable when the process has ended.
        poll.add(handle, 0, sys::epoll::Interest::READ)?;
    }
    while state.status()? != Status::Stopped {
        let left = PATIENCE.checked_sub(begun.elapsed());
        let Some(left) = left else {
            bail!("container `{}` does not end", state.id)
        };
        poll.wait(&mut Vec::new(), Some(left))?;
    }
    Ok(())
}
