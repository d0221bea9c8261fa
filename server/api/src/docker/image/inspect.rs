//! `GET /images/{name}/json` and `…/history`

use super::{list, save};
use crate::docker::problem::Failure;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{Engine, Image};
use model::Timestamp;
use serde_json::{Value, json};

/// A name holds slashes, so the verb is what stands behind the last one.
pub(in crate::docker) async fn by_suffix(
    State(engine): State<Engine>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    match path.rsplit_once('/') {
        Some((name, "json")) => Ok(Json(inspect(&engine, name).await?).into_response()),
        Some((name, "get")) => save::save(&engine, &[name.to_owned()]).await,
        Some((name, "history")) => Ok(Json(history(&engine, name).await?).into_response()),
        _ => Err(Failure::not_there(request.method(), request.uri().path())),
    }
}

async fn inspect(engine: &Engine, name: &str) -> Result<Value, Failure> {
    let image = engine.image(name).await?;
    let raw = raw_config(engine, &image).await?;
    let text = |field: &str| raw[field].as_str().unwrap_or_default().to_owned();
    let diff_ids: Vec<&str> = image.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let mut shown = json!({
        "Id": image.id.as_str(),
        "RepoTags": list::tags(&image),
        "RepoDigests": list::digests(&image),
        "Parent": "",
        "Comment": last_comment(&raw),
        "Created": image.created.map(|created| created.to_string()).unwrap_or_default(),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": raw["config"],
        "Architecture": image.config.architecture,
        "Os": image.config.os,
        "Size": image.unpacked_bytes(),
        "GraphDriver": { "Name": engine.host_info().snapshotter.snapshotter.docker_name(), "Data": null },
        "RootFS": { "Type": "layers", "Layers": diff_ids },
        "Metadata": { "LastTagTime": image.added.to_string() },
    });
    if let Some(variant) = raw["variant"].as_str() {
        shown["Variant"] = variant.into();
    }
    Ok(shown)
}

fn last_comment(raw: &Value) -> &str {
    let last = raw["history"].as_array().and_then(|steps| steps.last());
    last.and_then(|step| step["comment"].as_str()).unwrap_or_default()
}

/// Newest first; a step without a layer has no size.
async fn history(engine: &Engine, name: &str) -> Result<Value, Failure> {
    let image = engine.image(name).await?;
    let raw = raw_config(engine, &image).await?;
    let mut layers = image.layers.iter();
    let mut steps: Vec<Value> = Vec::new();
    for step in raw["history"].as_array().into_iter().flatten() {
        let empty = step["empty_layer"].as_bool().unwrap_or(false);
        let size = if empty {
            0
        } else {
            layers.next().map_or(0, |layer| layer.unpacked_bytes)
        };
        let created = step["created"].as_str().and_then(Timestamp::parse_rfc3339);
        steps.push(shown_step(
            created,
            step["created_by"].as_str(),
            size,
            step["comment"].as_str(),
        ));
    }
    // An image may have more layers than it tells of.
    for layer in layers {
        steps.push(shown_step(image.created, None, layer.unpacked_bytes, None));
    }
    steps.reverse();
    if let Some(newest) = steps.first_mut() {
        newest["Id"] = image.id.as_str().into();
        newest["Tags"] = list::tags(&image).into();
    }
    Ok(Value::Array(steps))
}

fn shown_step(created: Option<Timestamp>, by: Option<&str>, size: u64, comment: Option<&str>) -> Value {
    json!({
        "Id": "<missing>",
        "Created": created.map_or(0, |created| created.as_unix_nanos() / 1_000_000_000),
        "CreatedBy": by.unwrap_or_default(),
        "Tags": null,
        "Size": size,
        "Comment": comment.unwrap_or_default(),
    })
}

async fn raw_config(engine: &Engine, image: &Image) -> Result<Value, Failure> {
    let raw = engine.image_config_json(&image.id).await?;
    serde_json::from_slice(&raw).map_err(|error| {
        Failure::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            format!("the config of image {} cannot be read: {error}", image.id),
        )
    })
}
