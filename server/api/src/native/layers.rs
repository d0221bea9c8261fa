//! What every answer gets: a request id, security headers, and a problem document
//! even when a handler panics.

use super::problem::{Failure, REQUEST_ID, Told};
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Extensions, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tracing::Instrument as _;

/// Styles are set inline by the charts and the terminal; scripts never are, and
/// WebAssembly is compiled.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Smaller bodies do not become smaller on the way.
const COMPRESS_FROM_BYTES: u64 = 1024;
/// Of brotli and gzip alike: more costs more time than it saves bytes.
const COMPRESSION_LEVEL: i32 = 5;

/// Compresses JSON documents and pages for clients that take it. Streams of lines and
/// archives are passed on as they come, and the panel's files are compressed already.
pub(super) fn compress_documents() -> CompressionLayer<impl Predicate> {
    let is_document = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next());
        matches!(
            media_type,
            Some("application/json" | "application/problem+json" | "text/html")
        )
    };
    CompressionLayer::new()
        .quality(CompressionLevel::Precise(COMPRESSION_LEVEL))
        .compress_when(SizeAbove::new(COMPRESS_FROM_BYTES).and(is_document))
}

pub(super) async fn name_requests(request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let span = tracing::debug_span!("request", %id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Some(Told(mut problem)) = response.extensions_mut().remove::<Told>() {
        problem.request_id = Some(id.clone());
        if let Ok(text) = serde_json::to_vec(&*problem) {
            response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
            *response.body_mut() = axum::body::Body::from(text);
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

pub(super) async fn secure_answers(request: Request, next: Next) -> Response {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCES: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
        (RESOURCES, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api {
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

pub(super) fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    tracing::error!(words, "a request met a mistake in the server");
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "failed",
        "the server made a mistake with this request; its log says more",
    )
    .into_response()
}
