//! Terminals of the command line: handed to an engine's socket, or shown in the
//! caller's own terminal.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use sys::children::Ended;
use sys::epoll::{Interest, Poll};
use sys::reaper::Signals;

/// Sends a terminal's near side to `--console-socket`.
pub(super) fn hand_over(socket: &Path, master: &OwnedFd) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to the console socket `{}`", socket.display()))?;
    sys::fd_passing::send(&stream, b"/dev/ptmx", &[master.as_fd()]).context("cannot send the terminal")?;
    Ok(())
}

const MASTER: u64 = 1;
const INPUT: u64 = 2;
const SIGNALS: u64 = 3;

const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;

/// Carries bytes between the caller's terminal and the container's until `pid` ends;
/// signals go to that, and a new size of the caller's terminal to the container's.
pub(super) fn show(master: OwnedFd, pid: i32, pidfd: &OwnedFd) -> Result<Ended> {
    let raw = sys::terminal::Raw::enter().ok();
    let mut master = File::from(master);
    follow_size(&master);
    let signals = Signals::watch()?;
    let poll = Poll::new()?;
    poll.add(&master, MASTER, Interest::READ)?;
    poll.add(&signals, SIGNALS, Interest::READ)?;
    // A file as input cannot be polled; it is simply not read.
    let _ = poll.add(io::stdin(), INPUT, Interest::READ);
    let mut buffer = vec![0; 16 << 10];
    let mut ready = Vec::new();
    // It may have ended before anybody watched.
    let mut ended = reap(pid)?;
    while ended.is_none() {
        ready.clear();
        poll.wait(&mut ready, None)?;
        for event in &ready {
            match event.token {
                MASTER => {
                    if !carry(&mut master, &mut buffer)? {
                        poll.remove(&master)?;
                    }
                }
                INPUT => match io::stdin().read(&mut buffer) {
                    Ok(0) | Err(_) => poll.remove(io::stdin())?,
                    Ok(length) => master.write_all(&buffer[..length])?,
                },
                _ => {
                    while let Some(signal) = signals.next() {
                        match signal {
                            SIGCHLD => ended = reap(pid)?.or(ended),
                            SIGWINCH => follow_size(&master),
                            _ => drop(sys::pidfd::send_signal(pidfd, signal)),
                        }
                    }
                }
            }
        }
    }
    // What it said last; whoever else holds the terminal is not waited for.
    loop {
        ready.clear();
        poll.wait(&mut ready, Some(Duration::ZERO))?;
        let speaks = ready.iter().any(|event| event.token == MASTER);
        if !speaks || !carry(&mut master, &mut buffer)? {
            break;
        }
    }
    drop(raw);
    ended.context("it ended and was not seen")
}

/// Whether there may be more: reading fails when the last process let go.
fn carry(master: &mut File, buffer: &mut [u8]) -> Result<bool> {
    match master.read(buffer) {
        Ok(0) | Err(_) => Ok(false),
        Ok(length) => {
            let mut out = io::stdout();
            out.write_all(&buffer[..length]).and_then(|()| out.flush())?;
            Ok(true)
        }
    }
}

fn follow_size(master: &File) {
    if let Ok((rows, cols)) = sys::terminal::size(io::stdin()) {
        let _ = sys::terminal::resize(master, rows, cols);
    }
}

fn reap(pid: i32) -> io::Result<Option<Ended>> {
    let mut found = None;
    while let Some((ended_pid, ended)) = sys::children::reap()? {
        if ended_pid == pid {
            found = Some(ended);
        }
    }
    Ok(found)
}
