//! Plugins: there are none. Clients that look for a thing of any kind ask here too,
//! and must be told that it is not one.

use crate::docker::problem::Failure;
use axum::Json;
use axum::extract::{Path, Request};
use serde_json::{Value, json};

/// `GET /plugins`
pub(in crate::docker) async fn list() -> Json<Value> {
    Json(json!([]))
}

/// `GET /plugins/{name}/json`
pub(in crate::docker) async fn inspect(Path(path): Path<String>, request: Request) -> Failure {
    match path.rsplit_once('/') {
        Some((name, "json")) => Failure::not_found(format!("plugin \"{name}\" not found")),
        _ => Failure::not_there(request.method(), request.uri().path()),
    }
}
