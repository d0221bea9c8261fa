//! Starting a shim and hearing that its container waits to be started.

use super::control::{Shim, read_frame};
use crate::error::EngineError;
use crate::spawn::Program;
use shim_protocol::{FromShim, Identity, Launch, Problem, frame};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::Child;

/// Making namespaces, mounts and hooks takes milliseconds; a host that needs this long is stuck.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Spawn(#[from] EngineError),
    #[error("cannot talk with the shim: {0}")]
    Io(#[from] io::Error),
    #[error("cannot talk with the shim: {0}")]
    Frame(#[from] shim_protocol::FrameError),
    /// The shim undid everything and said why.
    #[error("{}", .0.message)]
    Failed(Problem),
    #[error("the shim ended before the container was made{}", complaints(.0))]
    Gone(String),
    #[error("the container was not made within {} s", CREATE_LIMIT.as_secs())]
    Silent,
}

fn complaints(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// A shim that was started and waits to be told what to do. Dropped, its channel
/// closes, and it ends.
#[derive(Debug)]
pub(crate) struct Waiting {
    channel: StdUnixStream,
    child: Child,
    complaints: PathBuf,
}

/// Starts a shim, which gets itself ready while we do the same.
pub(crate) fn prepare(program: &Program, complaints: &Path) -> Result<Waiting, LaunchError> {
    let (channel, theirs) = StdUnixStream::pair()?;
    Ok(Waiting {
        channel,
        child: program.spawn_shim(theirs, complaints)?,
        complaints: complaints.to_owned(),
    })
}

/// Tells a shim what to make and waits until it is made. The shim undoes what it
/// did when we go away before.
pub(crate) async fn launch(
    waiting: Waiting,
    request: &Launch,
    network: Option<OwnedFd>,
) -> Result<(Shim, Identity), LaunchError> {
    let Waiting {
        channel: ours,
        mut child,
        complaints,
    } = waiting;
    let bytes = frame::encode(request)?;
    let descriptors: Vec<BorrowedFd<'_>> = network.iter().map(|fd| fd.as_fd()).collect();
    // A frame fits a fresh socket's buffer, so nothing blocks here; what does not
    // go at once follows below.
    let sent = sys::fd_passing::send(&ours, &bytes, &descriptors)?;
    drop(network);
    ours.set_nonblocking(true)?;
    let mut stream = UnixStream::from_std(ours)?;
    tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes[sent..]).await?;
    let answer = tokio::time::timeout(CREATE_LIMIT, read_frame::<FromShim>(&mut stream)).await;
    let outcome = match answer {
        Ok(Ok(FromShim::Created(init))) => Ok(init),
        Ok(Ok(FromShim::Failed(problem))) => Err(LaunchError::Failed(problem)),
        Ok(_) => {
            let text = std::fs::read(&complaints).unwrap_or_default();
            let tail = &text[text.len().saturating_sub(1000)..];
            Err(LaunchError::Gone(String::from_utf8_lossy(tail).trim().to_owned()))
        }
        Err(_) => {
            // It hears nothing, so it cannot undo by itself.
            let _ = child.start_kill();
            Err(LaunchError::Silent)
        }
    };
    // Reaped whenever it ends; when we end first, pid 1 does it.
    tokio::spawn(async move { child.wait().await });
    outcome.map(|init| (Shim::new(stream, &request.run_dir), init))
}
