//! `POST /commit`: an image of a container.

use crate::docker::image::reference;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{ContainerConfig, Engine, NewCommit};
use serde_json::{Value, json};

pub(in crate::docker) async fn commit(
    State(engine): State<Engine>,
    query: Query,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let name = query
        .get("container")
        .ok_or_else(|| Failure::invalid("a container is needed"))?;
    let id = engine.find(name)?;
    let config: Option<ContainerConfig> = if body.is_empty() {
        None
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Failure::invalid(format!("invalid JSON in the request's body: {error}")))?
    };
    let new = NewCommit {
        reference: query
            .get("repo")
            .map(|repository| reference(repository, query.get("tag")))
            .transpose()?,
        message: query.get("comment").unwrap_or_default().to_owned(),
        author: query.get("author").map(str::to_owned),
        changes: query
            .all("changes")
            .filter(|change| !change.trim().is_empty())
            .map(str::to_owned)
            .collect(),
        config: config.unwrap_or_default(),
        pause: query.flag_or("pause", true),
    };
    let image = engine.commit(&id, new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": image.id.as_str() }))))
}
