//! Attached clients: who gets which output, and whose input goes in.
//!
//! A reader that cannot keep up must not delay anybody. For init it is moved to
//! the log (`catch_up`) and back when it has caught up; one that reads an exec it
//! did not begin is cut off; only the client that began an exec makes it wait.

use super::catch_up::CatchUp;
use super::connection::{Connection, Role};
use super::event_loop::Shim;
use super::process::ProcessKey;
use log_store::Stream;
use shim_protocol::{Attach, OutputStream, Problem, READER_BUFFER_BYTES, stream};
use std::io;

/// What a raw connection is joined to.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) process: ProcessKey,
    /// Whether its bytes go to the process.
    pub(super) stdin: bool,
    stdout: bool,
    stderr: bool,
    /// Pieces with headers; a terminal's bytes go as they are.
    framed: bool,
    /// It began this exec: the exec waits for it.
    pub(super) owner: bool,
    /// The client's side has ended.
    pub(super) input_ended: bool,
    pub(super) catch_up: Option<CatchUp>,
}

impl Raw {
    pub(super) fn new(process: ProcessKey, [stdin, stdout, stderr]: [bool; 3], terminal: bool, owner: bool) -> Self {
        Self {
            process,
            stdin,
            stdout,
            stderr,
            framed: !terminal,
            owner,
            input_ended: false,
            catch_up: None,
        }
    }

    pub(super) fn wants(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}

/// Sends a piece of output in the form the connection has.
pub(super) fn send_output(connection: &mut Connection, stream: Stream, bytes: &[u8]) -> io::Result<()> {
    let Role::Raw(raw) = &connection.role else {
        return Ok(());
    };
    if bytes.is_empty() || !raw.wants(stream) {
        return Ok(());
    }
    if raw.framed {
        let kind = match stream {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        };
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        connection.send(&stream::header(kind, length))?;
    }
    connection.send(bytes)
}

impl Shim {
    /// Joins a connection to a running process.
    pub(super) fn attach(&mut self, token: u64, attach: &Attach) -> Result<(), Problem> {
        let key = self.find_process(&attach.target)?;
        let process = self.processes.get_mut(&key).expect("it was just found");
        let raw = Raw::new(
            key,
            [attach.stdin, attach.stdout, attach.stderr],
            process.has_terminal(),
            false,
        );
        process.readers.push(token);
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.role = Role::Raw(raw);
        }
        Ok(())
    }

    /// Hands a piece of a process's output to all who are attached.
    pub(super) fn distribute(&mut self, key: ProcessKey, stream: Stream, bytes: &[u8]) {
        let Some(process) = self.processes.get(&key) else {
            return;
        };
        let readers = process.readers.clone();
        for token in readers {
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            let Role::Raw(raw) = &connection.role else { continue };
            if raw.catch_up.is_some() {
                continue;
            }
            if send_output(connection, stream, bytes).is_err() {
                self.disconnect(token);
            } else if connection.pending() > READER_BUFFER_BYTES {
                self.fell_behind(key, token);
            } else {
                self.rearm(token);
            }
        }
    }

    fn fell_behind(&mut self, key: ProcessKey, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let Role::Raw(raw) = &mut connection.role else { return };
        if raw.owner {
            self.hold(key);
        } else if key == ProcessKey::INIT && self.log.is_complete() {
            raw.catch_up = Some(CatchUp::begin(&self.log));
        } else {
            self.disconnect(token);
            return;
        }
        self.rearm(token);
    }

    /// A raw connection has bytes for the process, or has ended its side.
    pub(super) fn read_raw(&mut self, token: u64, hung_up: bool) {
        // A client that is gone is read to its end even if the process is slow:
        // what the socket holds is little, and waiting for room would spin.
        self.take_raw_input(token, hung_up);
        if hung_up {
            self.disconnect(token);
        } else {
            self.rearm(token);
        }
    }

    /// Ends a process's input after everything that attached clients had sent before.
    pub(super) fn end_input_after_clients(&mut self, key: ProcessKey) {
        let readers = self.processes.get(&key).map(|process| process.readers.clone());
        for token in readers.unwrap_or_default() {
            self.take_raw_input(token, true);
        }
        self.end_input(key);
    }

    /// Hands on what a connection has sent; `all` of it even when there is no room.
    fn take_raw_input(&mut self, token: u64, all: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(connection) = self.connections.get_mut(&token) {
            let Role::Raw(raw) = &connection.role else { break };
            let (key, stdin) = (raw.process, raw.stdin);
            let room = self
                .processes
                .get(&key)
                .is_none_or(super::process::Process::takes_input);
            if raw.input_ended || (stdin && !room && !all) {
                break;
            }
            match connection.receive(&mut buffer) {
                None => break,
                Some(0) => {
                    self.end_raw_input(token);
                    break;
                }
                Some(length) if stdin => self.push_input(key, &buffer[..length]),
                Some(_) => {}
            }
        }
        self.buffer = buffer;
    }

    /// The client will send no more: the end of input where that is what it means.
    pub(super) fn end_raw_input(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let Role::Raw(raw) = &mut connection.role else { return };
        if std::mem::replace(&mut raw.input_ended, true) || !raw.stdin {
            return;
        }
        let key = raw.process;
        let ends = if key == ProcessKey::INIT {
            self.launch.stdin_once
        } else {
            raw.owner
        };
        if ends {
            self.end_input(key);
        }
    }

    /// The process has ended and nothing more will come: connections are closed
    /// when they have read everything.
    pub(super) fn release_readers(&mut self, readers: Vec<u64>) {
        for token in readers {
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            connection.closing = true;
            self.advance(token);
        }
    }

    /// Sends what waits for a connection, and what it has to catch up on, and
    /// closes it when it is done with.
    pub(super) fn advance(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let done = connection.flush().is_err() || !self.catch_up(token);
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let idle = connection.pending() == 0;
        let (owned, behind) = match &connection.role {
            Role::Raw(raw) => (raw.owner.then_some(raw.process), raw.catch_up.is_some()),
            _ => (None, false),
        };
        if done || (connection.closing && idle && !behind) {
            self.disconnect(token);
            return;
        }
        let low = connection.pending() < READER_BUFFER_BYTES / 2;
        self.rearm(token);
        if let Some(key) = owned.filter(|_| low) {
            self.unhold(key);
        }
    }
}
