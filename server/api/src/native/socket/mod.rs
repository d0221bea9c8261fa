//! `/api/v1/socket`: everything live over one WebSocket. The frames are described
//! in `shared::socket`.

mod builds;
mod channel;
mod connection;
mod console;
mod feed;

use super::front::Front;
use super::guard::{self, Caller};
use super::problem::Answer;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::any;

/// Of one message from a client; a paste into a console is the largest.
const LARGEST_MESSAGE: usize = 1 << 20;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/socket", any(open))
}

/// Opens a WebSocket for all live data: receives `ClientFrame`, sends `ServerFrame`.
#[utoipa::path(get, path = "/socket", tag = "live", responses(
    (status = 101, description = "A WebSocket with JSON frames, and binary frames for consoles."),
    (status = 426, description = "The connection cannot be upgraded to a WebSocket.", body = String, content_type = "text/plain"),
))]
pub(super) async fn open(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    if !guard::from_own_page(&headers) {
        return Err(guard::other_site());
    }
    let upgrade = upgrade
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| connection::run(front, caller, headers, socket)))
}
