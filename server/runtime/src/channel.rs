//! The stream between a caller and the process it cloned.
//!
//! From the process: a letter, then for a failure its code, step and message. A
//! terminal's near side comes with the letter. From the caller: one byte.

use crate::Failure;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

const READY: u8 = b'R';
const FAILED: u8 = b'E';
const GO: u8 = b'G';
const PID: u8 = b'P';
const PREPARED: u8 = b'H';

#[derive(Debug)]
pub(crate) struct Channel(UnixStream);

/// What the new process says.
#[derive(Debug)]
pub(crate) enum Said {
    Ready(Option<OwnedFd>),
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
        match letter[0] {
            READY => Ok(Said::Ready(descriptors.pop())),
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
                let text = String::from_utf8_lossy(&text);
                let mut parts = text.splitn(3, '\0');
                let mut part = || parts.next().unwrap_or_default().to_owned();
                let (code, step, message) = (part(), part(), part());
                Ok(Said::Failed(Failure {
                    step,
                    message,
                    code: code.parse().unwrap_or(crate::error::NOT_STARTED),
                }))
            }
        }
    }

    pub(crate) fn go(&mut self) -> io::Result<()> {
        self.0.write_all(&[GO])
    }

    /// Waits for the caller's word; false when the caller is gone.
    pub(crate) fn wait(&mut self) -> bool {
        let mut word = [0];
        self.0.read_exact(&mut word).is_ok() && word[0] == GO
    }

    pub(crate) fn say_ready(&mut self, terminal: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = terminal.into_iter().collect();
        sys::fd_passing::send(self.0.as_fd(), &[READY], &descriptors)?;
        Ok(())
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
        let Failure { step, message, code } = failure;
        let mut bytes = vec![FAILED];
        bytes.extend(format!("{code}\0{step}\0{message}").bytes());
        // If nobody listens any more there is nobody to tell.
        let _ = self.0.write_all(&bytes);
    }
}
