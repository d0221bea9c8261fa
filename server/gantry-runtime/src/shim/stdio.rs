//! Reading what processes write, and writing what they read.

use super::console;
use super::event_loop::{Shim, Source, expect_polled};
use super::process::{Input, Output, Process, ProcessKey};
use anyhow::{Context as _, Result};
use log_store::Stream;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::time::Instant;
use sys::epoll::Interest;

/// Taken from one pipe before others have their turn. A pipe holds this much.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// The ends of a process's standard streams: what it gets, and what stays here.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) theirs: Theirs,
    ours: Ours,
}

#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

#[derive(Debug, Default)]
pub(super) struct Ours {
    stdin: Option<OwnedFd>,
    outputs: Vec<(Stream, OwnedFd)>,
    terminal: Option<OwnedFd>,
}

impl Pipes {
    /// Without `stdin` the process reads from /dev/null.
    pub(super) fn make(stdin: bool) -> Result<Self> {
        let (their_stdin, stdin) = if stdin {
            let (read, write) = sys::pipe::pipe().context("cannot make a pipe")?;
            (read, Some(write))
        } else {
            let null = File::open("/dev/null").context("cannot open `/dev/null`")?;
            (null.into(), None)
        };
        let (stdout, their_stdout) = sys::pipe::pipe().context("cannot make a pipe")?;
        let (stderr, their_stderr) = sys::pipe::pipe().context("cannot make a pipe")?;
        Ok(Self {
            theirs: Theirs {
                stdin: their_stdin,
                stdout: their_stdout,
                stderr: their_stderr,
            },
            ours: Ours {
                stdin,
                outputs: vec![(Stream::Stdout, stdout), (Stream::Stderr, stderr)],
                terminal: None,
            },
        })
    }

    pub(super) fn split(self) -> (Theirs, Ours) {
        (self.theirs, self.ours)
    }
}

impl Ours {
    pub(super) fn terminal(master: OwnedFd) -> Self {
        Self {
            terminal: Some(master),
            ..Self::default()
        }
    }
}

impl Shim {
    /// Puts the near ends of a process's streams into the loop.
    pub(super) fn watch_streams(&mut self, key: ProcessKey, process: &mut Process, ours: Ours) -> Result<()> {
        let mut outputs = ours.outputs;
        let mut stdin = ours.stdin;
        if let Some(master) = ours.terminal {
            let (terminal, output, input) = console::open(master)?;
            process.terminal = Some(terminal);
            outputs.push((Stream::Stdout, output));
            stdin = Some(input);
        }
        for (stream, end) in outputs {
            sys::pipe::set_nonblocking(&end)?;
            let token = self.watch(&end, Source::Output(key), Interest::READ)?;
            process.outputs.push(Output {
                stream,
                file: end.into(),
                token,
            });
        }
        if let Some(end) = stdin {
            sys::pipe::set_nonblocking(&end)?;
            // Told of hang-ups at once: nobody reads any more.
            let token = self.watch(&end, Source::Input(key), Interest::default())?;
            process.input = Some(Input::new(end.into(), token));
        }
        Ok(())
    }

    /// An output has bytes or its end.
    pub(super) fn read_output(&mut self, key: ProcessKey, token: u64) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let Some(output) = process.outputs.iter_mut().find(|output| output.token == token) else {
            return;
        };
        let stream = output.stream;
        let mut buffer = std::mem::take(&mut self.buffer);
        match output.file.read(&mut buffer) {
            Ok(0) => self.close_output(key, token),
            Ok(length) => {
                if key == ProcessKey::INIT {
                    self.log.push(stream, &buffer[..length]);
                }
                self.distribute(key, stream, &buffer[..length]);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            // A terminal whose far side is closed for good says EIO.
            Err(_) => self.close_output(key, token),
        }
        self.buffer = buffer;
    }

    fn close_output(&mut self, key: ProcessKey, token: u64) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let Some(at) = process.outputs.iter().position(|output| output.token == token) else {
            return;
        };
        let output = process.outputs.remove(at);
        self.unwatch(token, &output.file);
        self.finish_process(key);
    }

    /// Stops reading a process until the client that began it has read more.
    pub(super) fn hold(&mut self, key: ProcessKey) {
        self.set_held(key, true);
    }

    pub(super) fn unhold(&mut self, key: ProcessKey) {
        self.set_held(key, false);
    }

    fn set_held(&mut self, key: ProcessKey, held: bool) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if process.held == held {
            return;
        }
        process.held = held;
        for output in &process.outputs {
            // Taken out altogether: a hang-up would be told, and told again, even
            // without interest.
            let outcome = if held {
                self.poll.remove(&output.file)
            } else {
                self.poll.add(&output.file, output.token, Interest::READ)
            };
            expect_polled(outcome);
        }
        if !held && process.exit.is_some() {
            process.drain_until = Some(Instant::now() + super::exit_record::DRAIN);
        }
    }

    pub(super) fn push_input(&mut self, key: ProcessKey, bytes: &[u8]) {
        if let Some(input) = self.processes.get_mut(&key).and_then(|process| process.input.as_mut()) {
            input.push(bytes);
            self.write_input(key);
        }
    }

    /// Ends a process's input once it has read what waits. A terminal has no end.
    pub(super) fn end_input(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if process.has_terminal() {
            return;
        }
        if let Some(input) = &mut process.input {
            input.closing = true;
            self.write_input(key);
        }
    }

    /// The process takes input again, or nobody reads it any more.
    pub(super) fn input_ready(&mut self, key: ProcessKey, hung_up: bool) {
        if hung_up {
            self.close_input(key);
        } else {
            self.write_input(key);
        }
    }

    fn write_input(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let Some(input) = &mut process.input else { return };
        if input.flush().is_err() || (input.closing && input.is_empty()) {
            self.close_input(key);
            return;
        }
        let waiting = !input.is_empty();
        if waiting != input.waiting {
            input.waiting = waiting;
            let interest = if waiting { Interest::WRITE } else { Interest::default() };
            let outcome = self.poll.modify(&input.file, input.token, interest);
            expect_polled(outcome);
        }
        if !waiting {
            self.rearm_readers(key);
        }
    }

    pub(super) fn close_input(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if let Some(input) = process.input.take() {
            self.unwatch(input.token, &input.file);
            self.rearm_readers(key);
        }
    }

    /// Room for input, or none, changes what attached clients are waited for.
    fn rearm_readers(&mut self, key: ProcessKey) {
        let readers = self.processes.get(&key).map(|process| process.readers.clone());
        for token in readers.unwrap_or_default() {
            self.rearm(token);
        }
    }
}
