//! Volumes.

use super::body::{Json as Body, Path, Query};
use super::front::Front;
use super::problem::{Answer, Failure};
use super::words;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared::list::List;
use shared::volume::{NewVolume, Volume};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(inspect, remove))
}

fn shown(front: &Front, volume: engine::Volume, size_bytes: Option<u64>) -> Volume {
    Volume {
        name: volume.name,
        created: volume.created.to_string(),
        path: volume.path.display().to_string(),
        labels: volume.labels.into_iter().collect(),
        used_by: words::used_by(&front.engine, &volume.used_by),
        size_bytes,
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// Computes the disk usage of each volume, which reads all its files.
    #[serde(default)]
    sizes: bool,
}

/// Lists volumes, sorted by name.
#[utoipa::path(get, path = "/volumes", tag = "volumes", params(Listing), responses((status = 200, body = List<Volume>)))]
async fn list(State(front): State<Front>, Query(asked): Query<Listing>) -> Answer<Json<List<Volume>>> {
    let seq = front.engine.last_seq();
    let mut volumes = front.engine.volumes().await?;
    volumes.sort_by(|a, b| shared::order::natural(&a.name, &b.name));
    let mut sizes = Vec::new();
    if asked.sizes {
        sizes = front.engine.volume_bytes(&volumes).await?;
    }
    let mut sizes = sizes.into_iter();
    let items = volumes.into_iter().map(|volume| shown(&front, volume, sizes.next()));
    Ok(Json(words::whole_list(items.collect(), seq)))
}

/// Returns a volume and its disk usage.
#[utoipa::path(get, path = "/volumes/{name}", tag = "volumes", params(("name" = String, Path)), responses((status = 200, body = Volume)))]
async fn inspect(State(front): State<Front>, Path(name): Path<String>) -> Answer<Json<Volume>> {
    let volume = front.engine.volume(&name).await?;
    let bytes = front.engine.volume_bytes(std::slice::from_ref(&volume)).await?;
    Ok(Json(shown(&front, volume, bytes.first().copied())))
}

/// Creates a volume. Returns 409 if the name is in use.
#[utoipa::path(post, path = "/volumes", tag = "volumes", request_body = NewVolume, responses((status = 201, body = Volume)))]
async fn create(State(front): State<Front>, Body(new): Body<NewVolume>) -> Answer<(StatusCode, Json<Volume>)> {
    let name = Some(new.name).filter(|name| !name.is_empty());
    if let Some(name) = &name
        && front.engine.volume(name).await.is_ok()
    {
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "name_taken",
            format!("volume `{name}` is there already; choose another name"),
        ));
    }
    let volume = front
        .engine
        .create_volume(name, new.labels.into_iter().collect())
        .await?;
    Ok((StatusCode::CREATED, Json(shown(&front, volume, None))))
}

/// Removes a volume and its contents. Refused while a container uses it.
#[utoipa::path(delete, path = "/volumes/{name}", tag = "volumes", params(("name" = String, Path)), responses((status = 204)))]
async fn remove(State(front): State<Front>, Path(name): Path<String>) -> Answer<StatusCode> {
    front.engine.remove_volume(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
