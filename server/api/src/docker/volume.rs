//! Volumes: folders that outlive containers.

use super::container::show_labels;
use super::filters::Filters;
use super::problem::Failure;
use super::query::{self, Query, pairs};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bollard_stubs::models::VolumeCreateRequest;
use engine::{Engine, EngineError, Volume};
use model::event::Subject;
use serde_json::{Value, json};
use std::collections::HashMap;

/// `GET /volumes`
pub(super) async fn list(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &["dangling", "driver", "label", "label!", "name"])?;
    let dangling = filters.flag("dangling")?;
    let volumes: Vec<Value> = engine
        .volumes()
        .await?
        .iter()
        .filter(|volume| {
            filters.allows("name", |wanted| volume.name.contains(wanted))
                && filters.allows("driver", |wanted| wanted == "local")
                && dangling.is_none_or(|dangling| volume.used_by.is_empty() == dangling)
                && filters.allows_labels(&volume.labels)
        })
        .map(show)
        .collect();
    Ok(Json(json!({ "Volumes": volumes, "Warnings": null })))
}

/// `GET /volumes/{name}`
pub(super) async fn inspect(State(engine): State<Engine>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(show(&engine.volume(&name).await?)))
}

/// `POST /volumes/create`: one that is there already is the answer.
pub(super) async fn create(State(engine): State<Engine>, body: Bytes) -> Result<(StatusCode, Json<Value>), Failure> {
    let VolumeCreateRequest {
        name,
        driver,
        driver_opts,
        labels,
        cluster_volume_spec,
    } = query::json(&body)?;
    if driver.is_some_and(|driver| !matches!(driver.as_str(), "" | "local")) {
        return Err(Failure::unsupported("Driver other than `local`"));
    }
    if driver_opts.is_some_and(|options| !options.is_empty()) {
        return Err(Failure::unsupported("DriverOpts"));
    }
    if cluster_volume_spec.is_some() {
        return Err(Failure::unsupported("ClusterVolumeSpec"));
    }
    let name = name.filter(|name| !name.is_empty());
    if let Some(name) = &name
        && let Ok(there) = engine.volume(name).await
    {
        return Ok((StatusCode::CREATED, Json(show(&there))));
    }
    let volume = engine.create_volume(name, pairs(labels)).await?;
    Ok((StatusCode::CREATED, Json(show(&volume))))
}

/// `DELETE /volumes/{name}`: `force` forgives one that is not there.
pub(super) async fn remove(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, Failure> {
    match engine.remove_volume(&name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(EngineError::NotFound { .. }) if query.flag("force") => Ok(StatusCode::NO_CONTENT),
        Err(EngineError::InUse { by, .. }) => Err(Failure::conflict(format!(
            "remove {name}: volume is in use - [{}]",
            by.join(", ")
        ))),
        Err(error) => Err(error.into()),
    }
}

/// `POST /volumes/prune`: those without a name, or with `all=true` every one that no container has.
pub(super) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &["all", "label", "label!"])?;
    let all = filters.flag("all")?.unwrap_or(false);
    let sizes: HashMap<String, u64> = engine.disk_usage().await?.volumes.into_iter().collect();
    let mut deleted = Vec::new();
    let mut reclaimed = 0;
    for volume in engine.volumes().await? {
        let stays = !volume.used_by.is_empty() || !(all || volume.anonymous) || !filters.allows_labels(&volume.labels);
        if stays || engine.remove_volume(&volume.name).await.is_err() {
            continue;
        }
        reclaimed += sizes.get(&volume.name).copied().unwrap_or(0);
        deleted.push(volume.name);
    }
    engine.record_prune(Subject::Volume(String::new()), reclaimed).await?;
    Ok(Json(json!({ "VolumesDeleted": deleted, "SpaceReclaimed": reclaimed })))
}

pub(super) fn show(volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": volume.path,
        "CreatedAt": volume.created.to_string(),
        "Labels": show_labels(&volume.labels),
        "Scope": "local",
        "Options": null,
    })
}
