//! Sources of `ADD` that are elsewhere: files by their address, and git repositories.

use super::failure::Failure;
use crate::engine::Inner;
use crate::error::{Doing as _, EngineError, Kind};
use model::image::Digest;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

const MOST_BYTES: u64 = 16 << 30;
const GIT_LIMIT: Duration = Duration::from_secs(600);

/// A file that was downloaded.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    /// What it is called at the end of its address.
    pub(super) name: String,
    pub(super) digest: Digest,
    /// Seconds since 1970, where the server told.
    pub(super) modified_s: Option<i64>,
}

/// Downloads to `into`, within bounds of time and size, and never by a redirection
/// from outside to the inside of a network.
pub(super) async fn download(
    engine: &Inner,
    url: &str,
    checksum: Option<&str>,
    into: PathBuf,
    cancel: &CancellationToken,
) -> Result<Fetched, Failure> {
    let wanted = match checksum {
        Some(text) => Some(Digest::parse(text).map_err(|error| Failure::mistake(format!("`--checksum`: {error}")))?),
        None => None,
    };
    let fetched = engine.images.download(url, &into, MOST_BYTES, cancel).await;
    let fetched = fetched.map_err(|error| match error {
        image::ImageError::Cancelled => Failure::Cancelled,
        error => Failure::Engine(EngineError::Build {
            kind: Kind::Unreachable,
            reason: format!("`{url}` cannot be fetched: {}", crate::error::show_causes(&error)),
            code: None,
        }),
    })?;
    if let Some(wanted) = wanted
        && wanted != fetched.digest
    {
        return Err(Failure::mistake(format!(
            "`{url}` has digest {} instead of {wanted}; it was changed, or `--checksum` is of another file",
            fetched.digest
        )));
    }
    Ok(Fetched {
        name: name_of(url),
        digest: fetched.digest,
        modified_s: fetched.modified_s,
        path: into,
    })
}

/// The last part of the address; empty when it has none.
pub(super) fn name_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = path.split_once('/').map_or("", |(_, path)| path);
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Checks a repository out with the host's git, below `into`; the commit.
pub(super) async fn clone(
    url: &str,
    reference: Option<&str>,
    keep_git_dir: bool,
    into: &Path,
    cancel: &CancellationToken,
) -> Result<String, Failure> {
    if reference.is_some_and(|reference| reference.starts_with('-')) || url.starts_with('-') {
        return Err(Failure::mistake(format!("`{url}` is no repository's address")));
    }
    std::fs::create_dir_all(into).doing(|| format!("make the directory `{}`", into.display()))?;
    git(into, &["init", "--quiet"], cancel).await?;
    git(into, &["remote", "add", "origin", url], cancel).await?;
    let wanted = reference.unwrap_or("HEAD");
    git(into, &["fetch", "--quiet", "--depth=1", "origin", wanted], cancel).await?;
    git(into, &["checkout", "--quiet", "--detach", "FETCH_HEAD"], cancel).await?;
    let commit = git(into, &["rev-parse", "HEAD"], cancel).await?;
    if !keep_git_dir {
        let dir = into.join(".git");
        crate::layout::remove_dir(&dir).doing(|| format!("remove `{}`", dir.display()))?;
    }
    Ok(commit.trim().to_owned())
}

/// Without the host's settings, credentials, hooks and prompts.
async fn git(dir: &Path, arguments: &[&str], cancel: &CancellationToken) -> Result<String, Failure> {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "protocol.file.allow=never",
            "-c",
            "protocol.ext.allow=never",
        ])
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::select! {
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        output = tokio::time::timeout(GIT_LIMIT, command.output()) => output,
    };
    match output {
        Err(_) => Err(Failure::mistake(format!(
            "git took longer than {} s",
            GIT_LIMIT.as_secs()
        ))),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(Failure::mistake(
            "this host has no git, which sources in repositories need; install it, or put the files into the context",
        )),
        Ok(Err(error)) => Err(Failure::mistake(format!("git cannot be started: {error}"))),
        Ok(Ok(output)) if !output.status.success() => Err(Failure::mistake(format!(
            "git {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
        Ok(Ok(output)) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_the_end_of_its_address() {
        assert_eq!(name_of("https://x.example/a/b.tar.gz?x=1#y"), "b.tar.gz");
        assert_eq!(name_of("https://x.example/a/"), "");
        assert_eq!(name_of("https://x.example"), "");
    }
}
