//! Connections of strangers: how many there may be, and how long each may take to say
//! what it wants. So nobody shuts the others out by holding on without a word.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::problem::Failure;
use crate::lingering::Lingering;

/// For the head of a request, from the first moment or the end of the one before.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For all of a request of somebody who is not known.
const STRANGERS_TIME: Duration = Duration::from_secs(30);
/// When no descriptor is left for a new connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on `listener` until `stop`; at most `most` connections at once, others wait
/// for their turn. What is under way at the end is finished.
pub(super) async fn serve(listener: TcpListener, router: Router, most: usize, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(most));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => next,
        };
        match (slot, accepted) {
            (Ok(slot), Ok((stream, peer))) => {
                connections.spawn(keep(stream, peer, router.clone(), slot, stop.clone()));
            }
            // Its client was gone before its turn came, or descriptors are short.
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn keep(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    slot: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    // Answers are written whole.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        router.oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut connection = pin!(
        http.serve_connection(TokioIo::new(Lingering::new(stream)), service)
            .with_upgrades()
    );
    tokio::select! {
        // A client that breaks off is nothing to tell.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.as_mut().await;
        }
    }
    drop(slot);
}

/// For routes that are open to everybody: a body that drips holds nothing for ever.
pub(super) async fn soon(request: Request, next: Next) -> Result<Response, Failure> {
    let late = |_| {
        Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the request did not come in time",
        )
    };
    tokio::time::timeout(STRANGERS_TIME, next.run(request))
        .await
        .map_err(late)
}
