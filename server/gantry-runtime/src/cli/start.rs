//! `start`: lets a created container's command begin.

use super::arguments::{Arguments, Global, only_id};
use super::hooks;
use super::state_file::{self, StateFile, Status};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Write as _;

pub(super) fn start(global: &Global, mut arguments: Arguments) -> Result<()> {
    let id = only_id(&mut arguments)?;
    let state = StateFile::load(global, &id)?;
    match state.status(global)? {
        Status::Created => {}
        Status::Stopped => bail!("cannot start a container that has stopped: `{id}`"),
        status => bail!(
            "cannot start a container that is not created: `{id}` is {}",
            status.word()
        ),
    }
    let spec = state.spec(global)?;
    if spec.process().is_none() {
        bail!("cannot start container `{id}`: its config.json has no process");
    }
    let fifo = state_file::fifo(&state_file::dir(global, &id)?);
    // While init sleeps at it the byte waits; whoever is too late finds no FIFO.
    File::options()
        .write(true)
        .open(&fifo)
        .and_then(|mut fifo| fifo.write_all(b"0"))
        .with_context(|| format!("cannot open the gate of container `{id}`"))?;
    std::fs::remove_file(fifo).with_context(|| format!("container `{id}` was started by somebody else"))?;
    hooks::after_start(global, &state, &spec)
}
