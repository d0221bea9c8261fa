//! Programs that a bundle wants run on the way. runtime-spec, config.md,
//! "POSIX-platform Hooks"
//!
//! `createContainer` and `startContainer` are run by init itself, in the container's
//! namespaces; the others are the business of whoever calls this crate.

use oci_spec::runtime::Hook;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The wording is runc's, which people and test suites search for.
#[derive(Debug, thiserror::Error)]
#[error("error running {name} hook #{number}: `{path}`: {why}", path = path.display())]
pub struct HookError {
    name: &'static str,
    /// Counted from 0, as runc does.
    number: usize,
    path: PathBuf,
    why: String,
}

/// The environment of hooks that have no `env` of their own. An empty `env` is an empty
/// environment.
#[derive(Debug, Clone, Copy)]
pub enum DefaultEnvironment<'a> {
    /// The calling process's.
    Inherited,
    /// `NAME=value` each.
    Variables(&'a [String]),
}

/// Runs hooks one after the other until one fails; each gets the container's state on its
/// standard input.
pub fn run(
    name: &'static str,
    hooks: Option<&Vec<Hook>>,
    state: &Value,
    default: DefaultEnvironment<'_>,
) -> Result<(), HookError> {
    for (number, hook) in hooks.into_iter().flatten().enumerate() {
        run_one(name, number, hook, state, default)?;
    }
    Ok(())
}

/// Runs all hooks, those after a failed one too; returns the failures.
pub fn run_all(
    name: &'static str,
    hooks: Option<&Vec<Hook>>,
    state: &Value,
    default: DefaultEnvironment<'_>,
) -> Vec<HookError> {
    let hooks = hooks.into_iter().flatten().enumerate();
    hooks
        .filter_map(|(number, hook)| run_one(name, number, hook, state, default).err())
        .collect()
}

fn run_one(
    name: &'static str,
    number: usize,
    hook: &Hook,
    state: &Value,
    default: DefaultEnvironment<'_>,
) -> Result<(), HookError> {
    let failed = |why: String| HookError {
        name,
        number,
        path: hook.path().clone(),
        why,
    };
    match execute(hook, state, default) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(failed(why)),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Runs one hook; returns how it failed.
fn execute(hook: &Hook, state: &Value, default: DefaultEnvironment<'_>) -> io::Result<Option<String>> {
    let mut command = Command::new(hook.path());
    if let Some((name, arguments)) = hook.args().as_ref().and_then(|list| list.split_first()) {
        command.arg0(name).args(arguments);
    }
    let variables = match (hook.env(), default) {
        (Some(own), _) => Some(own.as_slice()),
        (None, DefaultEnvironment::Variables(variables)) => Some(variables),
        (None, DefaultEnvironment::Inherited) => None,
    };
    if let Some(variables) = variables {
        command.env_clear();
        command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
    }
    let errors = Errors::collect(&mut command);
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
    let printed = errors.map(Errors::read).unwrap_or_default();
    if status.success() {
        let _ = io::stderr().write_all(printed.as_bytes());
        return Ok(None);
    }
    let printed = printed.trim();
    let separator = if printed.is_empty() { "" } else { ": " };
    Ok(Some(format!("{status}{separator}{printed}")))
}

/// What a hook prints on its standard error. A file and no pipe: a process that the hook
/// leaves behind may keep it open.
struct Errors(File);

impl Errors {
    /// `None` where there is no such file: the hook then has the caller's standard error.
    fn collect(command: &mut Command) -> Option<Self> {
        let file = sys::sealed_file::scratch("hook-stderr").ok()?;
        command.stderr(file.try_clone().ok()?);
        Some(Self(file))
    }

    /// The beginning of it.
    fn read(self) -> String {
        const MOST_BYTES: usize = 4096;
        let mut bytes = vec![0; MOST_BYTES];
        // Not allowed by some filters of system calls.
        let length = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
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
