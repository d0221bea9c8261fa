//! `start`: lets a created container's command begin.

use super::arguments::{Arguments, Global, only_id};
use super::state_file::{self, StateFile, Status};
use super::{delete, hooks};
use anyhow::{Context as _, Result, bail};
use oci_spec::runtime::Spec;

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
    let dir = state_file::dir(global, &id)?;
    let (fifo, outcome) = (state_file::fifo(&dir), state_file::outcome(&dir));
    let started = runtime::start(&spec, state.init(), &fifo, &outcome);
    started
        .inspect_err(|error| {
            if error.is_of_hook() {
                destroy(global, &state, &spec);
            }
        })
        .with_context(|| format!("cannot start container `{id}`"))?;
    hooks::after_start(&state, &spec).inspect_err(|_| destroy(global, &state, &spec))
}

/// A container whose hook failed is removed, and its poststop hooks are run. runtime-spec,
/// runtime.md, "Lifecycle", 7, 9, 12 and 13
fn destroy(global: &Global, state: &StateFile, spec: &Spec) {
    let removed = state
        .group()
        .and_then(|group| delete::remove(global, state, &group, Some(spec)));
    if let Err(error) = removed {
        // Of two failures the hook's is the one to tell.
        super::log::error(global, &error);
    }
}
