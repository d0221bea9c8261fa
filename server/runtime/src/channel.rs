//! The stream between a caller and the process it cloned.
//!
//! From the process: a letter, then for a failure its code, step and message. A
//! terminal's near side, or a mount, comes with its letter. From the caller: one byte.
//!
//! What may be sent and received while a filter of system calls is in force is written by
//! write(2) and read by read(2) alone.

use crate::Failure;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

const READY: u8 = b'R';
const FAILED: u8 = b'E';
const GO: u8 = b'G';
const PID: u8 = b'P';
const PREPARED: u8 = b'H';
const TERMINAL: u8 = b'T';
const ROOT: u8 = b'M';

#[derive(Debug)]
pub(crate) struct Channel(UnixStream);

/// What the new process says.
#[derive(Debug)]
pub(crate) enum Said {
    /// It waits for its start.
    Ready,
    /// The near side of its terminal.
    Terminal(OwnedFd),
    /// A mount: of the root filesystem.
    Root(OwnedFd),
    /// The namespaces and mounts are there; it waits for the caller's hooks.
    Prepared,
    Pid(i32),
    Failed(Failure),
    /// Closed: the program runs, or the process is gone.
    Nothing,
}

impl Channel {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self(ours), Self(theirs)))
    }

    pub(crate) fn listen(&mut self) -> io::Result<Said> {
        let mut letter = [0];
        let (length, mut descriptors) = match sys::fd_passing::receive(&self.0, &mut letter) {
            // Closed with a word of the caller's unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Said::Nothing),
            received => received?,
        };
        if length == 0 {
            return Ok(Said::Nothing);
        }
        let mut passed = || {
            descriptors
                .pop()
                .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        match letter[0] {
            READY => Ok(Said::Ready),
            TERMINAL => Ok(Said::Terminal(passed()?)),
            ROOT => Ok(Said::Root(passed()?)),
            PREPARED => Ok(Said::Prepared),
            PID => {
                let mut pid = [0; 4];
                self.0.read_exact(&mut pid)?;
                Ok(Said::Pid(i32::from_le_bytes(pid)))
            }
            _ => {
                let mut text = Vec::new();
                match self.0.read_to_end(&mut text) {
                    Err(error) if error.kind() != io::ErrorKind::ConnectionReset => return Err(error),
                    _ => {}
                }
                Ok(Said::Failed(Failure::from_bytes(&text)))
            }
        }
    }

    pub(crate) fn go(&mut self) -> io::Result<()> {
        self.0.write_all(&[GO])
    }

    /// Waits for the caller's word; false when the caller is gone.
    pub(crate) fn wait(&mut self) -> bool {
        sys::pipe::read_byte(&self.0).is_ok_and(|word| word == Some(GO))
    }

    pub(crate) fn say_ready(&mut self) -> io::Result<()> {
        sys::pipe::write_all(&self.0, &[READY])
    }

    pub(crate) fn send_terminal(&mut self, terminal: BorrowedFd<'_>) -> io::Result<()> {
        sys::fd_passing::send(self.0.as_fd(), &[TERMINAL], &[terminal]).map(drop)
    }

    pub(crate) fn send_root(&mut self, root: BorrowedFd<'_>) -> io::Result<()> {
        sys::fd_passing::send(self.0.as_fd(), &[ROOT], &[root]).map(drop)
    }

    pub(crate) fn say_prepared(&mut self) -> io::Result<()> {
        self.0.write_all(&[PREPARED])
    }

    pub(crate) fn say_pid(&mut self, pid: i32) -> io::Result<()> {
        let mut message = vec![PID];
        message.extend(pid.to_le_bytes());
        self.0.write_all(&message)
    }

    pub(crate) fn say_failed(&mut self, failure: &Failure) {
        let mut bytes = vec![FAILED];
        bytes.extend(failure.to_bytes());
        // If nobody listens any more there is nobody to tell.
        let _ = sys::pipe::write_all(&self.0, &bytes);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
