//! The client's side of a connection that stopped being HTTP.
//!
//! Some clients read the header of the response through a buffer and then go on with the bare
//! socket: docker-py's `exec_run` does. What arrives with the header stays in that buffer and is
//! lost. `dockerd` starts the process after the header, so that the client usually is faster; here
//! nothing is written until the client has read the header, which the kernel tells.

use crate::lingering::Lingering;
use bytes::{Buf as _, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A client that has not read the header by then gets the output all the same.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The kernel wakes nobody when the other side reads: this often it is asked.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Raw bytes from and to the client.
pub(super) struct Client {
    /// What came behind the request's header.
    received: Bytes,
    stream: Lingering<UnixStream>,
    /// Until the client has read the response's header.
    header: Option<HeaderWait>,
}

struct HeaderWait {
    deadline: Instant,
    next_look: Pin<Box<Sleep>>,
}

impl Client {
    pub(super) fn new(upgraded: Upgraded) -> io::Result<Self> {
        let parts = downcast::<TokioIo<Lingering<UnixStream>>>(upgraded)
            .map_err(|_| io::Error::other("an upgraded connection is not of the Docker socket"))?;
        Ok(Self::of(parts.io.into_inner(), parts.read_buf))
    }

    fn of(stream: Lingering<UnixStream>, received: Bytes) -> Self {
        let header = HeaderWait {
            deadline: Instant::now() + HEADER_TIMEOUT,
            next_look: Box::pin(sleep(Duration::ZERO)),
        };
        Self {
            received,
            stream,
            header: Some(header),
        }
    }

    /// Ready when the client has read the header, is gone, or does not read.
    fn poll_header_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(wait) = &mut self.header {
            // A socket that cannot tell is not waited for.
            let is_unread = sys::unix_socket::unread_by_peer(self.stream.get_ref()).is_ok_and(|bytes| bytes > 0);
            let now = Instant::now();
            if !is_unread || wait.deadline <= now {
                self.header = None;
                break;
            }
            ready!(wait.next_look.as_mut().poll(cx));
            wait.next_look.as_mut().set(sleep_until(now + POLL_INTERVAL));
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.received.is_empty() {
            let count = self.received.len().min(buffer.remaining());
            buffer.put_slice(&self.received[..count]);
            self.received.advance(count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_header_read(cx));
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn nothing_is_written_before_the_header_was_read() {
        let (mut near, mut far) = UnixStream::pair().expect("a pair");
        near.write_all(b"header").await.expect("there is room");
        let mut client = Client::of(Lingering::new(near), Bytes::from_static(b"early"));
        let mut early = [0; 5];
        client.read_exact(&mut early).await.expect("it was received");
        assert_eq!(&early, b"early");
        let writing = tokio::spawn(async move {
            client.write_all(b"output").await.expect("there is room");
            client
        });
        let mut first = [0; 64];
        // Not a piece of it: the header may be read byte by byte.
        far.read_exact(&mut first[..1]).await.expect("the header");
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let length = far.read(&mut first).await.expect("the header");
        assert_eq!(&first[..length], b"eader");
        let length = far.read(&mut first).await.expect("the output");
        assert_eq!(&first[..length], b"output");
        drop(writing.await.expect("it ends"));
    }
}
