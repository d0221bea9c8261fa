//! Answers that go on: files read piece by piece, and things as they happen, an
//! object a line, for programs and `curl -N`.

use super::front::Front;
use super::problem::Failure;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use futures_util::stream;
use serde::Serialize;
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Pieces that wait for a slow reader; then the work waits.
const WAITING: usize = 4;

/// Why sending stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The reader went away.
    Gone,
    /// Nothing more can be read.
    Broken(Box<Failure>),
}

impl<E: Into<Failure>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(Box::new(error.into()))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    pub(super) async fn send(&self, piece: Vec<u8>) -> Result<(), Stopped> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.send(Bytes::from(piece)).await.map_err(|_| Stopped::Gone)
    }

    /// Each as JSON on a line of its own.
    pub(super) async fn objects<T: Serialize>(&self, things: impl IntoIterator<Item = T>) -> Result<(), Stopped> {
        let mut text = Vec::new();
        for thing in things {
            if serde_json::to_writer(&mut text, &thing).is_ok() {
                text.push(b'\n');
            }
        }
        self.send(text).await
    }

    /// Ends when the reader went away, for work that has nothing to send meanwhile.
    async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A body that `work` sends piece by piece.
pub(super) fn body<W, F>(work: W) -> Body
where
    W: FnOnce(Sender) -> F,
    F: Future<Output = Result<(), Stopped>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    let sender = Sender(sender);
    let watch = sender.clone();
    let work = work(sender);
    tokio::spawn(async move {
        tokio::select! {
            done = work => {
                if let Err(Stopped::Broken(failure)) = done {
                    tracing::warn!(detail = failure.problem.detail, "an answer could not be sent to its end");
                }
            }
            () = watch.closed() => {}
        }
    });
    Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    }))
}

/// Objects as they come, until `work` is done or the server ends.
pub(super) fn lines<W, F>(front: &Front, work: W) -> ([(HeaderName, HeaderValue); 1], Body)
where
    W: FnOnce(Sender) -> F,
    F: Future<Output = Result<(), Stopped>> + Send + 'static,
{
    let stop = front.stop.clone();
    let body = body(move |sender| {
        let work = work(sender);
        async move {
            tokio::select! {
                done = work => done,
                () = stop.cancelled() => Ok(()),
            }
        }
    });
    let media_type = HeaderValue::from_static("application/x-ndjson");
    ([(CONTENT_TYPE, media_type)], body)
}
