//! A connection that lingers when it closes: it shuts its side, then reads and discards for a
//! short time. A socket that is closed with unread bytes resets the connection, and the client
//! loses the end of the response or fails to send. RFC 9112, section 9.6; unix(7)

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// What is read and thrown away at the most, and how long.
const MOST_BYTES: usize = 32 << 20;
const TIME: Duration = Duration::from_secs(1);
const PIECE_BYTES: usize = 16 << 10;

pub(crate) struct Lingering<S> {
    stream: S,
    /// Once our side is shut.
    end: Option<End>,
    /// Its place among the connections that there may be at once.
    _slot: Option<OwnedSemaphorePermit>,
}

struct End {
    time: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            end: None,
            _slot: None,
        }
    }

    /// Gives the place back when the connection is gone, whoever has it by then.
    pub(crate) fn with_slot(stream: S, slot: OwnedSemaphorePermit) -> Self {
        Self {
            _slot: Some(slot),
            ..Self::new(stream)
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, end, .. } = self.get_mut();
        if end.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let end = end.get_or_insert_with(|| End {
            time: Box::pin(sleep(TIME)),
            bytes: 0,
        });
        let mut piece = [0; PIECE_BYTES];
        while end.bytes < MOST_BYTES && end.time.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => end.bytes += buffer.filled().len(),
                // The other side is done, or gone.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
