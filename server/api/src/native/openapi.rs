//! The OpenAPI document of the native API and its HTML page.

mod answers;
mod page;

pub(super) use answers::{Before, complete};

use super::front::Front;
use axum::Router;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::routing::get;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, Server};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Gantry", description = "Manages the containers, images, volumes and networks of one host. \
        Sizes are in bytes, times are RFC 3339 in UTC. Errors are RFC 9457 problem documents. \
        The WebSocket `/api/v1/socket` carries all live data."),
    servers((url = "/api/v1")),
    paths(super::socket::open, super::metrics::metrics, super::healthz),
    components(schemas(
        shared::problem::Problem,
        shared::socket::ClientFrame,
        shared::socket::ServerFrame,
        shared::socket::Data,
    ))
)]
struct Described;

/// The document without the operations of the routers.
pub(super) fn document() -> OpenApi {
    let mut document = Described::openapi();
    let cookie = ApiKey::Cookie(ApiKeyValue::new(super::guard::COOKIE_NAME));
    let components = document.components.get_or_insert_with(Default::default);
    components
        .responses
        .extend(answers::components().map(|(name, answer)| (name.to_owned(), answer.into())));
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    document.security = Some(vec![
        SecurityRequirement::new("token", [""; 0]),
        SecurityRequirement::new("session", [""; 0]),
    ]);
    beside_the_routes(&mut document);
    document
}

/// Completes `/healthz`, `/metrics` and `/socket`, which are not part of a documented router.
fn beside_the_routes(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let (statuses, is_open): (&[u16], bool) = match path.as_str() {
            "/healthz" => (&[500], true),
            "/metrics" => (&[401, 403, 421, 500], false),
            _ => (&[400, 401, 403, 421, 500], false),
        };
        if path != "/socket" {
            item.servers = Some(vec![Server::new("/")]);
        }
        for (method, operation) in answers::operations(item) {
            operation.operation_id = Some(answers::id(method, path));
            for status in statuses {
                answers::add(operation, *status);
            }
            if is_open {
                operation.security = Some(Vec::new());
            }
        }
    }
}

/// `/openapi.json` and `/docs`, without sign-in: they contain no data of this host.
pub(super) fn routes(document: OpenApi) -> Router<Front> {
    let text: &'static str = document.to_json().unwrap_or_default().leak();
    let page: &'static str = page::render(&serde_json::from_str(text).unwrap_or_default()).leak();
    let json = HeaderValue::from_static("application/json");
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { ([(CONTENT_TYPE, json)], text) }),
        )
        .route("/docs", get(move || async move { ([(CONTENT_TYPE, html)], page) }))
}
