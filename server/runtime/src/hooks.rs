//! Programs that a bundle wants run on the way. runtime-spec, config.md,
//! "POSIX-platform Hooks"
//!
//! `createContainer` and `startContainer` are run by init itself, in the container's
//! namespaces; the others are the business of whoever calls this crate.

use oci_spec::runtime::Hook;
use serde_json::Value;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error("{name} hook `{path}` failed: {why}", path = path.display())]
pub struct HookError {
    name: &'static str,
    path: PathBuf,
    why: String,
}

/// Runs hooks one after the other; each gets the container's state on its standard
/// input.
pub fn run(name: &'static str, hooks: Option<&Vec<Hook>>, state: &Value) -> Result<(), HookError> {
    for hook in hooks.into_iter().flatten() {
        let failed = |why: String| HookError {
            name,
            path: hook.path().clone(),
            why,
        };
        let why = one(hook, state).map_err(|error| failed(error.to_string()))?;
        if let Some(why) = why {
            return Err(failed(why));
        }
    }
    Ok(())
}

/// Runs one hook; tells how it failed.
fn one(hook: &Hook, state: &Value) -> io::Result<Option<String>> {
    let mut command = Command::new(hook.path());
    if let Some((name, arguments)) = hook.args().as_ref().and_then(|list| list.split_first()) {
        command.arg0(name).args(arguments);
    }
    // A hook has its own environment only.
    command.env_clear();
    for variable in hook.env().iter().flatten() {
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read.
        let _ = stdin.write_all(state.to_string().as_bytes());
    }
    let limit = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok());
    let status = match limit {
        None => child.wait()?,
        Some(seconds) => match end_within(&mut child, Duration::from_secs(seconds))? {
            Some(status) => status,
            None => return Ok(Some(format!("it took longer than the {seconds} s it may"))),
        },
    };
    Ok((!status.success()).then(|| status.to_string()))
}

/// `None` when it had to be killed.
fn end_within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let ended = sys::pidfd::open(pid).and_then(|handle| sys::pidfd::wait_for_end(handle, limit));
    if let Ok(true) = ended {
        return child.wait().map(Some);
    }
    child.kill()?;
    child.wait()?;
    ended.map(|_| None)
}
