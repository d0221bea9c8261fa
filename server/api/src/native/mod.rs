//! The native API under `/api/v1`, the panel, `/healthz` and `/metrics`: form
//! only. Shapes and routes are described in `shared`.
//!
//! | to find | look in |
//! | --- | --- |
//! | who may ask | `guard` |
//! | by which names, over how many connections | `host_name`, `connections` |
//! | errors | `problem` |
//! | containers, images … | the module of that name |
//! | everything live | `socket` |

mod body;
mod build;
mod client;
mod connections;
mod container;
mod event;
mod front;
mod guard;
mod host_name;
mod idempotency;
mod image;
mod image_care;
mod image_facts;
mod layers;
mod mask;
mod metrics;
mod network;
mod openapi;
mod people;
mod problem;
mod registry;
mod session;
mod socket;
mod stats;
mod stream;
mod system;
mod task;
mod volume;
mod withdrawal;
mod words;

pub use front::{Front, Parts};

use crate::run_to_end::run_to_end;
use crate::unread_body;
use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use openapi::Before;
use problem::Failure;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bodies of JSON; archives have no such limit.
const LARGEST_JSON: usize = 4 << 20;
/// Bodies of requests that anybody may send.
const LARGEST_OPEN_JSON: usize = 16 << 10;

/// Answers on `listener` until `stop`, then ends what is under way.
pub async fn serve(listener: TcpListener, front: Front, stop: CancellationToken) -> std::io::Result<()> {
    let most = front.most_connections;
    connections::serve(listener, router(front), most, stop).await;
    Ok(())
}

fn router(front: Front) -> Router {
    let (routes, document) = routes(&front).split_for_parts();
    let api = routes
        .merge(openapi::routes(document))
        .merge(socket::routes().layer(from_fn_with_state(front.clone(), guard::known_callers)))
        .fallback(not_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_JSON));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(healthz))
        .merge(metrics::routes().layer(from_fn_with_state(front.clone(), guard::known_callers)))
        .fallback(panel)
        .layer(from_fn(guard::same_site))
        .layer(from_fn_with_state(front.clone(), host_name::known_names))
        .layer(from_fn_with_state(front.engine.clone(), run_to_end))
        .layer(from_fn_with_state(front.clone(), client::identify))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::secure_answers))
        .layer(from_fn(layers::name_requests))
        .layer(map_request(unread_body::discard))
        // Outermost: the layer before it writes bodies anew.
        .layer(layers::compress_documents())
        .with_state(front)
}

/// Everything below `/api/v1` that the document describes.
fn routes(front: &Front) -> OpenApiRouter<Front> {
    let mut account = OpenApiRouter::new()
        .routes(routes!(session::who, session::sign_out))
        .routes(routes!(session::list))
        .routes(routes!(session::end))
        .routes(routes!(session::change_password))
        .routes(routes!(people::tokens, people::create_token))
        .routes(routes!(people::remove_token))
        .layer(from_fn_with_state(front.clone(), guard::own_account));
    let mut known = OpenApiRouter::new()
        .merge(build::routes())
        .merge(container::routes())
        .merge(event::routes())
        .merge(image::routes())
        .merge(image_care::routes())
        .merge(image_facts::routes())
        .merge(network::routes())
        .merge(registry::routes())
        .merge(stats::routes())
        .merge(system::routes())
        .merge(task::routes())
        .merge(volume::routes())
        .routes(routes!(people::users, people::create_user))
        .routes(routes!(people::change_user, people::remove_user))
        .routes(routes!(people::user_tokens))
        .routes(routes!(people::remove_user_token))
        .routes(routes!(people::user_sessions))
        .routes(routes!(people::end_user_session))
        .layer(from_fn_with_state(front.clone(), guard::known_callers));
    let mut open = OpenApiRouter::new()
        .routes(routes!(session::setup, session::set_up))
        .routes(routes!(session::sign_in))
        .layer(DefaultBodyLimit::max(LARGEST_OPEN_JSON))
        .layer(from_fn(connections::soon));
    openapi::complete(account.get_openapi_mut(), Before::Account);
    openapi::complete(known.get_openapi_mut(), Before::Role);
    openapi::complete(open.get_openapi_mut(), Before::Nothing);
    OpenApiRouter::with_openapi(openapi::document())
        .merge(open)
        .merge(account)
        .merge(known)
}

/// Returns 200 if the server is up.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, description = "The server is up.", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
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
