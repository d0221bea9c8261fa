//! Hooks that run in the caller's namespaces.

use super::arguments::Global;
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result};
use model::container::InitProcess;
use oci_spec::runtime::{Hooks, Spec};
use runtime::hooks::{DefaultEnvironment, HookError, run, run_all};

/// `prestart` and `createRuntime`: an error undoes the creation.
pub(super) fn before_pivot(hooks: &Hooks, state: &StateFile, init: InitProcess) -> Result<(), HookError> {
    let mut shown = state.with_init(init).to_oci(Status::Created);
    shown["status"] = "creating".into();
    let default = DefaultEnvironment::Inherited;
    run("prestart", hooks.prestart().as_ref(), &shown, default)?;
    run("createRuntime", hooks.create_runtime().as_ref(), &shown, default)
}

/// `poststart`: when one fails, the caller removes the container.
pub(super) fn after_start(state: &StateFile, spec: &Spec) -> Result<()> {
    let Some(hooks) = spec.hooks() else { return Ok(()) };
    run(
        "poststart",
        hooks.poststart().as_ref(),
        &state.to_oci(Status::Running),
        DefaultEnvironment::Inherited,
    )
    .context("the container was stopped and removed")
}

/// `poststop`: a failure is told and changes nothing.
pub(super) fn after_end(global: &Global, state: &StateFile, spec: &Spec) {
    let Some(hooks) = spec.hooks() else { return };
    let shown = state.to_oci(Status::Stopped);
    for error in run_all(
        "poststop",
        hooks.poststop().as_ref(),
        &shown,
        DefaultEnvironment::Inherited,
    ) {
        super::log::warning(global, &error.to_string());
    }
}
