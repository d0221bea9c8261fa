//! `--pidfd-socket`: a descriptor of the new process for whoever listens there.

use anyhow::{Context as _, Result};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Sends `pidfd` to the socket at `path`. `name` comes with it, as runc sends it: `standard`
/// for init and `setns` for a further process.
pub(super) fn hand_over(path: &Path, name: &str, pidfd: &OwnedFd) -> Result<()> {
    let socket = UnixStream::connect(path)
        .with_context(|| format!("cannot connect to the pidfd socket `{}`", path.display()))?;
    sys::fd_passing::send(&socket, name.as_bytes(), &[pidfd.as_fd()]).context("cannot send the pidfd")?;
    Ok(())
}
