//! Terminals of the command line: handed to an engine's socket, or shown in the
//! caller's own terminal.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use sys::epoll::{Interest, Poll};

/// Sends a terminal's near side to `--console-socket`.
pub(super) fn hand_over(socket: &Path, master: &OwnedFd) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to the console socket `{}`", socket.display()))?;
    sys::fd_passing::send(&stream, b"/dev/ptmx", &[master.as_fd()]).context("cannot send the terminal")?;
    Ok(())
}

/// Carries bytes between the caller's terminal and the container's until the
/// latter ends.
pub(super) fn show(master: OwnedFd) -> Result<()> {
    const MASTER: u64 = 1;
    const INPUT: u64 = 2;
    let raw = sys::terminal::Raw::enter().ok();
    if let Ok((rows, cols)) = sys::terminal::size(io::stdin()) {
        let _ = sys::terminal::resize(&master, rows, cols);
    }
    let mut master = File::from(master);
    let poll = Poll::new()?;
    poll.add(&master, MASTER, Interest::READ)?;
    // A file as input cannot be polled; it is simply not read.
    let _ = poll.add(io::stdin(), INPUT, Interest::READ);
    let mut buffer = vec![0; 16 << 10];
    let mut ready = Vec::new();
    'carry: loop {
        ready.clear();
        poll.wait(&mut ready, None)?;
        for event in &ready {
            if event.token == MASTER {
                match master.read(&mut buffer) {
                    // EIO: the last process let go.
                    Ok(0) | Err(_) => break 'carry,
                    Ok(length) => {
                        let mut out = io::stdout();
                        out.write_all(&buffer[..length]).and_then(|()| out.flush())?;
                    }
                }
            } else {
                match io::stdin().read(&mut buffer) {
                    Ok(0) | Err(_) => poll.remove(io::stdin())?,
                    Ok(length) => master.write_all(&buffer[..length])?,
                }
            }
        }
    }
    drop(raw);
    Ok(())
}
