//! Bodies that go on: logs, events, statistics, progress. A task writes into a
//! short queue; when the client is gone, the task learns of it.

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::Value;
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Pieces that wait for a slow client; the writer waits when there are more.
const QUEUE: usize = 16;

/// The end that writes.
#[derive(Debug, Clone)]
pub(super) struct Sender(mpsc::Sender<Bytes>);

/// The client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl Sender {
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send(bytes.into()).await.map_err(|_| Gone)
    }

    /// One JSON value a line.
    pub(super) async fn send_json(&self, value: &Value) -> Result<(), Gone> {
        self.send(format!("{value}\r\n")).await
    }

    /// Ends when the client left.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// A body that `write` makes, piece by piece, until it ends or the client leaves.
pub(super) fn body<F>(write: impl FnOnce(Sender) -> F + Send + 'static) -> Body
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let sender = Sender(sender);
        tokio::select! {
            _ = write(sender.clone()) => {}
            () = sender.gone() => {}
        }
    });
    Body::from_stream(stream::poll_fn(move |context| {
        receiver.poll_recv(context).map(|piece| piece.map(Ok::<_, Infallible>))
    }))
}
