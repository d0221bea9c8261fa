//! `start`: lets a created container's command begin.

use super::arguments::{Arguments, Global, only_id};
use super::state_file::{self, StateFile, Status};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Write as _;

pub(super) fn start(global: &Global, mut arguments: Arguments) -> Result<()> {
    let id = only_id(&mut arguments)?;
    let mut state = StateFile::load(global, &id)?;
    open_gate(global, &mut state)
}

pub(super) fn open_gate(global: &Global, state: &mut StateFile) -> Result<()> {
    let status = state.status()?;
    if status != Status::Created {
        bail!(
            "container `{}` is {}; only a created one can be started",
            state.id,
            status.word()
        );
    }
    let fifo = state_file::fifo(&state_file::dir(global, &state.id)?);
    File::options()
        .write(true)
        .open(&fifo)
        .and_then(|mut fifo| fifo.write_all(b"0"))
        .with_context(|| format!("cannot open the gate of container `{}`", state.id))?;
    state.started = true;
    state.save(global)?;
    let _ = std::fs::remove_file(fifo);
    let spec = state.spec()?;
    if let Some(hooks) = spec.hooks() {
        // A failure here is told and changes nothing: the command runs.
        if let Err(error) = runtime::hooks::run("poststart", hooks.poststart().as_ref(), &state.to_oci(Status::Running))
        {
            super::log::error(global, &error.into());
        }
    }
    Ok(())
}
