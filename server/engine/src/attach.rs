//! Joining a container's standard streams.

use crate::error::EngineError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// Which streams a client joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// An attachment that is sure to see all that comes. Of a container that was not
/// started yet, the streams come with its start, before the command runs.
#[derive(Debug)]
pub struct Attaching {
    pub(crate) terminal: bool,
    pub(crate) stream: oneshot::Receiver<Result<Attached, EngineError>>,
}

impl Attaching {
    /// Whether the streams are one terminal's: raw bytes instead of frames.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Waits for the container to run, if it does not yet.
    pub async fn attached(self) -> Result<Attached, EngineError> {
        self.stream.await.unwrap_or(Err(EngineError::Ending))
    }
}

/// Standard streams. Read: raw bytes of a terminal, else pieces with a header of
/// eight bytes each (stream 1 or 2, three zeros, length as four big-endian bytes);
/// it ends when the process has ended and all was said. Written: standard input;
/// `shutdown` ends it. Who does not read fast enough is cut off.
#[derive(Debug)]
pub struct Attached {
    stream: UnixStream,
    terminal: bool,
}

impl Attached {
    pub(crate) fn new(stream: UnixStream, terminal: bool) -> Self {
        Self { stream, terminal }
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One half reads, the other writes, from different tasks.
    pub fn into_split(self) -> (tokio::net::unix::OwnedReadHalf, tokio::net::unix::OwnedWriteHalf) {
        self.stream.into_split()
    }
}

impl AsyncRead for Attached {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Attached {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
