//! The server's side of the talk with a container's shim.

mod control;
mod launch;
mod stream;

pub(crate) use control::{Shim, ShimError, connect, signal_process};
pub(crate) use launch::{LaunchError, launch, prepare};
pub(crate) use stream::{attach, exec};

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use tokio::net::UnixStream;

/// Connects to the socket in `run_dir` through a handle of the directory: the
/// full path can be longer than a socket's name may be.
async fn connect_socket(run_dir: &Path) -> io::Result<UnixStream> {
    let dir = File::open(run_dir)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), shim_protocol::SOCKET)).await
}
