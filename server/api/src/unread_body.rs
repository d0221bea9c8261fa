//! Request bodies that a handler does not read to the end.
//!
//! HTTP/1.1 leaves a server two choices with the rest of such a body: to read it, or to close the
//! connection. A close while the client sends resets the connection, and the client reports
//! `broken pipe` although the request was answered. RFC 9112, section 9.6. So every body is wrapped:
//! when the handler drops it, its rest is read and discarded while the response is sent.
//! A client that sends more, or for longer, than the limits gets its connection closed.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::EXPECT;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;

/// Most bytes of one request that are discarded.
const MAX_BYTES: usize = 256 << 20;
/// Longest time that the rest of one request is waited for.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Wraps the request's body; for [`axum::middleware::map_request`].
pub(crate) async fn discard(request: Request) -> Request {
    let waits_for_continue = waits_for_continue(request.headers());
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Unread {
            body: Some(body),
            waits_for_continue,
            runtime: Handle::current(),
        })
    })
}

/// Whether the client sends the body only after an interim response. RFC 9110, section 10.1.1
fn waits_for_continue(headers: &HeaderMap) -> bool {
    headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A body whose rest is discarded on drop.
struct Unread {
    /// `None` after its end.
    body: Option<Body>,
    /// Until the handler reads, which makes the server send the interim response.
    waits_for_continue: bool,
    /// A body may be dropped by a thread outside the runtime.
    runtime: Handle,
}

impl hyper::body::Body for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waits_for_continue = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        // A client that still waits is told by the response not to send.
        if !body.is_end_stream() && !self.waits_for_continue {
            self.runtime.spawn(discard_rest(body, MAX_BYTES, MAX_TIME));
        }
    }
}

/// Reads to the end of the body, or to a limit.
async fn discard_rest(mut body: Body, max_bytes: usize, max_time: Duration) {
    let read = async {
        let mut bytes = 0;
        while bytes <= max_bytes
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // After the limit the connection is closed with the body.
    let _ = tokio::time::timeout(max_time, read).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A body of `count` pieces of 1 KiB that counts those taken.
    fn pieces(count: usize) -> (Body, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let pieces = stream::iter(0..count).map({
            let taken = Arc::clone(&taken);
            move |_| {
                taken.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(vec![0; 1024])
            }
        });
        (Body::from_stream(pieces), taken)
    }

    use futures_util::StreamExt as _;

    async fn until_taken(taken: &AtomicUsize, count: usize) {
        let waiting = async {
            while taken.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        waited.expect("the rest is read");
    }

    #[tokio::test]
    async fn the_rest_of_a_dropped_body_is_read() {
        let (body, taken) = pieces(5);
        let mut request = discard(Request::new(body)).await;
        request.body_mut().frame().await.expect("a piece").expect("no error");
        drop(request);
        until_taken(&taken, 5).await;
    }

    #[tokio::test]
    async fn a_body_is_not_asked_for_when_the_response_makes_it_needless() {
        let (body, taken) = pieces(5);
        let mut request = Request::new(body);
        request
            .headers_mut()
            .insert(EXPECT, "100-Continue".parse().expect("a value"));
        drop(discard(request).await);
        tokio::task::yield_now().await;
        assert_eq!(taken.load(Ordering::SeqCst), 0);
        let (body, taken) = pieces(5);
        let mut request = Request::new(body);
        request
            .headers_mut()
            .insert(EXPECT, "100-continue".parse().expect("a value"));
        let mut request = discard(request).await;
        request.body_mut().frame().await.expect("a piece").expect("no error");
        drop(request);
        until_taken(&taken, 5).await;
    }

    #[tokio::test]
    async fn no_more_is_read_than_the_limits_allow() {
        let (body, taken) = pieces(100);
        discard_rest(body, 10 << 10, MAX_TIME).await;
        assert_eq!(taken.load(Ordering::SeqCst), 11);
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        discard_rest(never, MAX_BYTES, Duration::from_millis(1)).await;
    }
}
