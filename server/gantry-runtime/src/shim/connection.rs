//! One client: its socket, what waits to be sent to it, and what it is for.

use super::attach::Raw;
use shim_protocol::Inbox;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;
use sys::epoll::Interest;

/// A buffer that grew beyond this is given back when it is empty.
const SPARE_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    pub(super) role: Role,
    outbox: Vec<u8>,
    sent: usize,
    /// When something could last be sent, while something waits.
    pub(super) stuck_since: Option<Instant>,
    /// Closed once the outbox is empty.
    pub(super) closing: bool,
    /// What the poll knows.
    pub(super) armed: Interest,
}

#[derive(Debug)]
pub(super) enum Role {
    /// Has not said yet what it is.
    New(Inbox),
    Control(Inbox),
    Raw(Raw),
}

impl Connection {
    pub(super) fn new(stream: UnixStream, role: Role) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            role,
            outbox: Vec::new(),
            sent: 0,
            stuck_since: None,
            closing: false,
            armed: Interest::READ,
        })
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn is_control(&self) -> bool {
        matches!(self.role, Role::Control(_))
    }

    /// However long the client has taken nothing, it begins to count now.
    pub(super) fn be_patient_anew(&mut self) {
        self.stuck_since = self.stuck_since.map(|_| Instant::now());
    }

    /// Bytes that wait for the client to read.
    pub(super) fn pending(&self) -> usize {
        self.outbox.len() - self.sent
    }

    /// Adds to what is to be sent, and sends what can be.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.pending() > 0 {
            self.outbox.extend_from_slice(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.outbox.extend_from_slice(rest);
                    self.stuck_since = Some(Instant::now());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what waits, as far as the client reads.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.pending() > 0 {
            match self.stream.write(&self.outbox[self.sent..]) {
                Ok(length) => {
                    self.sent += length;
                    self.stuck_since = Some(Instant::now());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.sent > self.outbox.len() / 2 {
                        self.outbox.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.outbox.clear();
        self.outbox.shrink_to(SPARE_BYTES);
        self.sent = 0;
        self.stuck_since = None;
        Ok(())
    }

    /// Reads what there is: `None` when nothing is, 0 at the end. A connection that
    /// failed is one that ended.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            return match self.stream.read(buffer) {
                Ok(length) => Some(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(_) => Some(0),
            };
        }
    }
}
