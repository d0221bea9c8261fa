//! `POST /containers/{id}/wait`: the headers are sent when the waiting has
//! begun, so that a client may start the container then and miss nothing.

use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine::{Engine, WaitCondition};
use futures_util::stream;
use serde_json::json;
use std::convert::Infallible;

pub(in crate::docker) async fn wait(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Failure> {
    let condition = match query.get("condition") {
        None | Some("not-running") => WaitCondition::NotRunning,
        Some("next-exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => return Err(Failure::invalid(format!("invalid condition: \"{other}\""))),
    };
    let waiting = engine.wait(&engine.find(&name)?, condition)?;
    let answer = stream::once(async move {
        let exit = waiting.ended().await;
        // Who waits for an end to come has started it, too, and is told there why that failed.
        let body = match exit.error.filter(|_| condition == WaitCondition::NotRunning) {
            Some(error) => json!({ "StatusCode": exit.code, "Error": { "Message": error } }),
            None => json!({ "StatusCode": exit.code }),
        };
        Ok::<_, Infallible>(Bytes::from(format!("{body}\n")))
    });
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(answer)).into_response())
}
