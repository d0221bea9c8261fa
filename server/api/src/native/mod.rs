//! The native API under `/api/v1`, the panel, `/healthz` and `/metrics`: form
//! only. Shapes and routes are described in `shared`.
//!
//! | to find | look in |
//! | --- | --- |
//! | who may ask | `guard` |
//! | errors | `problem` |
//! | containers, images … | the module of that name |
//! | everything live | `socket` |

mod body;
mod front;
mod guard;
mod layers;
mod people;
mod problem;
mod session;
mod words;

pub use front::{Front, Parts};

use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post};
use problem::Failure;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

/// Bodies of JSON; archives have no such limit.
const LARGEST_JSON: usize = 4 << 20;

/// Answers on `listener` until `stop`, then ends what is under way.
pub async fn serve(listener: TcpListener, front: Front, stop: CancellationToken) -> std::io::Result<()> {
    let service = router(front).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(front: Front) -> Router {
    let api = open_to_all()
        .merge(own_account().layer(from_fn_with_state(front.clone(), guard::own_account)))
        .merge(for_known_callers().layer(from_fn_with_state(front.clone(), guard::known_callers)))
        .fallback(not_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_JSON));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(async || "ok\n"))
        .fallback(panel)
        .layer(from_fn(guard::same_site))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::secure_answers))
        .layer(from_fn(layers::name_requests))
        .with_state(front)
}

fn open_to_all() -> Router<Front> {
    Router::new()
        .route("/setup", get(session::setup).post(session::set_up))
        .route("/session", post(session::sign_in))
}

fn own_account() -> Router<Front> {
    Router::new()
        .route("/session", get(session::who).delete(session::sign_out))
        .route("/sessions", get(session::list))
        .route("/sessions/{id}", delete(session::end))
        .route("/account/password", post(session::change_password))
        .route("/tokens", get(people::tokens).post(people::create_token))
        .route("/tokens/{id}", delete(people::remove_token))
}

fn for_known_callers() -> Router<Front> {
    Router::new()
        .route("/users", get(people::users).post(people::create_user))
        .route("/users/{id}", patch(people::change_user).delete(people::remove_user))
}

async fn not_there(OriginalUri(uri): OriginalUri) -> Failure {
    Failure::not_found("route", uri.path())
}

async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not for {}", uri.path()),
    )
}

/// Pages and assets of the panel; nothing below `/api` is one.
async fn panel(State(front): State<Front>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Failure::not_found("route", path).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return wrong_method(request.method().clone(), OriginalUri(request.uri().clone()))
            .await
            .into_response();
    }
    crate::panel::answer(front.panel, path, request.headers())
}
