//! A process the shim is the parent of: init or an exec, with its streams.

use anyhow::{Context as _, Result};
use log_store::Stream;
use shim_protocol::{ExecState, ExitStatus, Identity};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// Which process: init is 0, execs count upwards and never come to mean another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessKey(pub(super) u64);

impl ProcessKey {
    pub(super) const INIT: Self = Self(0);
}

#[derive(Debug)]
pub(super) struct Process {
    /// `None` is init.
    pub(super) exec_id: Option<String>,
    /// What the server wants to be reminded of; as JSON text, which is smaller.
    pub(super) kept: Option<Box<str>>,
    pub(super) identity: Identity,
    pub(super) pidfd: OwnedFd,
    /// What is still open to be read: two pipes, or a terminal's near side.
    pub(super) outputs: Vec<Output>,
    pub(super) input: Option<Input>,
    pub(super) terminal: Option<Terminal>,
    /// Attached connections.
    pub(super) readers: Vec<u64>,
    pub(super) exit: Option<(ExitStatus, i64)>,
    /// After its end: until when the pipes are read though others hold them open.
    pub(super) drain_until: Option<Instant>,
    /// Not read at the moment, because the client that began this exec is slow.
    pub(super) held: bool,
}

#[derive(Debug)]
pub(super) struct Output {
    pub(super) stream: Stream,
    pub(super) file: File,
    pub(super) token: u64,
}

#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) master: File,
    /// Keeps the terminal from hanging up while the process lives.
    pub(super) peer: Option<OwnedFd>,
}

/// The way to a process's standard input.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) file: File,
    pub(super) token: u64,
    queue: Vec<u8>,
    /// Closed once the queue is empty.
    pub(super) closing: bool,
    /// Whether the poll waits for room.
    pub(super) waiting: bool,
}

/// Clients are not read while more than this waits for the process.
const INPUT_BUFFER_BYTES: usize = 64 << 10;

impl Input {
    pub(super) fn new(file: File, token: u64) -> Self {
        Self {
            file,
            token,
            queue: Vec::new(),
            closing: false,
            waiting: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < INPUT_BUFFER_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        // After its end was asked for there is no more input.
        if !self.closing {
            self.queue.extend_from_slice(bytes);
        }
    }

    /// Writes what the process takes.
    ///
    /// # Errors
    /// When nobody can read it any more.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.queue.len() {
            match self.file.write(&self.queue[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.queue.drain(..written);
        if self.queue.is_empty() {
            self.queue.shrink_to(1024);
        }
        Ok(())
    }
}

impl Process {
    /// Without streams yet.
    pub(super) fn new(exec_id: Option<String>, identity: Identity, pidfd: OwnedFd) -> Self {
        Self {
            exec_id,
            kept: None,
            identity,
            pidfd,
            outputs: Vec::new(),
            input: None,
            terminal: None,
            readers: Vec::new(),
            exit: None,
            drain_until: None,
            held: false,
        }
    }

    pub(super) fn has_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Whether a client may be read for this process's input.
    pub(super) fn takes_input(&self) -> bool {
        self.input.as_ref().is_none_or(Input::has_room)
    }

    pub(super) fn signal(&self, signal: i32) -> Result<()> {
        sys::pidfd::send_signal(&self.pidfd, signal)
            .with_context(|| format!("cannot send signal {signal} to process {}", self.identity.pid))
    }

    pub(super) fn exec_state(&self) -> Option<ExecState> {
        Some(ExecState {
            exec_id: self.exec_id.clone()?,
            process: self.identity,
            exit: self.exit.map(|(status, _)| status),
            exited_at_ns: self.exit.map(|(_, at)| at),
            kept: self.kept.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        })
    }
}
