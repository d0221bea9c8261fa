//! `GET` and `HEAD /_ping`: alive, and which versions are spoken. The headers
//! that tell it are on every answer.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::response::{IntoResponse, Response};

pub(in crate::docker) async fn ping() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate"),
        ),
        (PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    // Nothing is built here: the older builder's number, and no other.
    (headers, [("builder-version", "1"), ("swarm", "inactive")], "OK").into_response()
}
