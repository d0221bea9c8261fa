//! Hooks of the bundle that run outside the container. runtime-spec, config.md,
//! "POSIX-platform Hooks"

use anyhow::{Context as _, Result, bail};
use oci_spec::runtime::Hook;
use serde_json::Value;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs hooks one after the other; each gets the state on its standard input.
pub(super) fn run(name: &str, hooks: Option<&Vec<Hook>>, state: &Value) -> Result<()> {
    for hook in hooks.into_iter().flatten() {
        one(hook, state).with_context(|| format!("{name} hook `{}` failed", hook.path().display()))?;
    }
    Ok(())
}

fn one(hook: &Hook, state: &Value) -> Result<()> {
    let mut command = Command::new(hook.path());
    if let Some((name, arguments)) = hook.args().as_ref().and_then(|list| list.split_first()) {
        command.arg0(name).args(arguments);
    }
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
        Some(seconds) => {
            let deadline = Instant::now() + Duration::from_secs(seconds);
            loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if Instant::now() >= deadline {
                    child.kill()?;
                    child.wait()?;
                    bail!("it took longer than {seconds} s");
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    };
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}
