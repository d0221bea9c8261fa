//! Images: bringing them here, what they are, removing them.

use super::body::{Json as Body, Path, Query};
use super::container::files::{Archive, archive};
use super::front::Front;
use super::guard::Caller;
use super::mask::{self, Values};
use super::problem::{Answer, Failure};
use super::{task, words};
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{ArchiveFormat, Image as Engines, ImageSize, NewImport, RegistryLogin, TaskId};
use futures_util::TryStreamExt as _;
use model::image::Reference;
use serde::Deserialize;
use shared::image::{Details, Image, Layer, NewTag, Pull, Removed, Spec, Step};
use shared::list::List;
use shared::registry::Push;
use shared::task::Task;
use std::collections::HashMap;
use tokio::io::AsyncWriteExt as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Of an upload, between the network and the unpacking.
const PIPE_BYTES: usize = 256 << 10;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(pull))
        .routes(routes!(load))
        .routes(routes!(import))
        .routes(routes!(inspect, remove))
        .routes(routes!(tag))
        .routes(routes!(save))
        .routes(routes!(push))
}

/// How many images have each layer, by what it unpacks to.
fn layer_uses(images: &[Engines]) -> HashMap<&str, u32> {
    let mut uses = HashMap::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        *uses.entry(layer.chain_id.as_str()).or_insert(0) += 1;
    }
    uses
}

fn shown(front: &Front, image: &Engines, size: &ImageSize) -> Image {
    Image {
        id: image.id.to_string(),
        tags: image.tags.iter().map(Reference::short).collect(),
        created: image.created.map(|at| at.to_string()),
        pulled: Some(image.added.to_string()),
        size_bytes: size.bytes,
        shared_bytes: size.bytes - size.freed_bytes,
        layer_count: u32::try_from(image.layers.len()).unwrap_or(u32::MAX),
        platform: format!("{}/{}", image.config.os, image.config.architecture),
        used_by: words::used_by(&front.engine, &image.containers),
    }
}

/// Lists images, most recently added first.
#[utoipa::path(get, path = "/images", tag = "images", responses((status = 200, body = List<Image>)))]
async fn list(State(front): State<Front>) -> Answer<Json<List<Image>>> {
    let images = front.engine.images().await?;
    let sizes = front.engine.image_sizes().await?;
    // An image that came meanwhile is shown with its size next time.
    let unknown = ImageSize::default();
    let items = images
        .items
        .iter()
        .map(|image| shown(&front, image, sizes.get(&image.id).unwrap_or(&unknown)))
        .collect();
    Ok(Json(words::whole_list(items, images.seq)))
}

/// Returns an image by its id, a prefix of the id, or a reference.
///
/// Values of environment variables and build arguments are hidden from the role `viewer`.
#[utoipa::path(get, path = "/images/{id}", tag = "images", params(("id" = String, Path)), responses((status = 200, body = Details)))]
async fn inspect(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Json<Details>> {
    let image = front.engine.image(&id).await?;
    let all = front.engine.images().await?;
    let uses = layer_uses(&all.items);
    let config = front.engine.image_config_json(&image.id).await?;
    let size = front
        .engine
        .image_sizes()
        .await?
        .remove(&image.id)
        .ok_or_else(|| engine::EngineError::ImageMissing(id.clone()))?;
    let mut history = history(&config, &size);
    let mut env = image.config.env.clone();
    if !mask::sees_values(&caller) {
        let values = Values::of_variables(all.items.iter().flat_map(|image| &image.config.env));
        for step in &mut history {
            step.instruction = values.masked(&step.instruction);
        }
        env = env.iter().map(|entry| mask::variable(entry)).collect();
    }
    let others = |layer: &engine::Layer| {
        uses.get(layer.chain_id.as_str())
            .map_or(0, |count| count.saturating_sub(1))
    };
    Ok(Json(Details {
        image: shown(&front, &image, &size),
        spec: Spec {
            manifest: image.manifest.to_string(),
            layers: image
                .layers
                .iter()
                .zip(&size.layers)
                .map(|(layer, bytes)| Layer {
                    digest: layer.digest.to_string(),
                    size_bytes: *bytes,
                    shared_with: others(layer),
                })
                .collect(),
            entrypoint: image.config.entrypoint,
            command: image.config.command,
            env,
            working_dir: image.config.working_dir,
            user: image.config.user,
            exposed_ports: image.config.exposed_ports,
            volumes: image.config.volumes,
            labels: image.config.labels.into_iter().collect(),
            stop_signal: image.config.stop_signal,
            history,
        },
    }))
}

/// The steps of the configuration; each that is not empty made the next layer.
fn history(config: &[u8], size: &ImageSize) -> Vec<Step> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        history: Option<Vec<Written>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Written {
        created: Option<String>,
        created_by: Option<String>,
        comment: Option<String>,
        empty_layer: bool,
    }
    let config: Config = serde_json::from_slice(config).unwrap_or_default();
    let mut layers = size.layers.iter();
    config
        .history
        .unwrap_or_default()
        .into_iter()
        .map(|step| Step {
            created: step.created,
            instruction: step
                .created_by
                .filter(|text| !text.is_empty())
                .or(step.comment)
                .unwrap_or_default(),
            empty: step.empty_layer,
            size_bytes: if step.empty_layer {
                0
            } else {
                layers.next().copied().unwrap_or(0)
            },
        })
        .collect()
}

fn reference(text: &str) -> Answer<Reference> {
    Reference::parse(text.trim()).map_err(|error| Failure::mistake("reference", error.to_string()))
}

/// Pulls an image as a task. Joins a pull of the same image that is already running.
#[utoipa::path(post, path = "/images/pull", tag = "images", request_body = Pull, responses((status = 202, body = Task)))]
async fn pull(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<Pull>,
) -> Answer<(StatusCode, Json<Task>)> {
    let login = login(asked.username, asked.password)?;
    let platform = asked.platform.as_deref().filter(|platform| !platform.is_empty());
    let id = front
        .engine
        .pull(reference(&asked.reference)?, login, platform, Some(caller.owner()))?;
    accepted(&front, &id)
}

fn login(username: Option<String>, password: Option<String>) -> Answer<Option<RegistryLogin>> {
    match (username, password) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(RegistryLogin::Password { username, password })),
        _ => Err(Failure::mistake("username", "username and password come together")),
    }
}

/// Pushes an image to a registry as a task. The image does not need to have that tag.
#[utoipa::path(post, path = "/images/{id}/push", tag = "images", params(("id" = String, Path)), request_body = Push, responses((status = 202, body = Task)))]
async fn push(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(asked): Body<Push>,
) -> Answer<(StatusCode, Json<Task>)> {
    let login = login(asked.username, asked.password)?;
    let name = reference(&asked.reference)?;
    let pushing = front
        .engine
        .push(&id, name, login, asked.referrers, Some(caller.owner()));
    let task = pushing.await?;
    accepted(&front, &task)
}

fn accepted(front: &Front, id: &TaskId) -> Answer<(StatusCode, Json<Task>)> {
    let task = front.engine.task(id)?;
    Ok((StatusCode::ACCEPTED, Json(task::shown(&task))))
}

/// Loads images from a `docker save` archive or from an OCI image layout as a tar.
///
/// The response is sent once the archive is received, or immediately if it is invalid.
#[utoipa::path(post, path = "/images/load", tag = "images", request_body(content = Vec<u8>, content_type = "application/x-tar"), responses((status = 202, body = Task)))]
async fn load(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    body: axum::body::Body,
) -> Answer<(StatusCode, Json<Task>)> {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let id = front.engine.load(far, Some(caller.owner()));
    receive(&front, &id, body, near).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Import {
    /// Tag of the new image.
    reference: Option<String>,
    /// Default command: an argument list as JSON.
    command: Option<String>,
}

/// Creates an image from a root filesystem in a tar.
#[utoipa::path(post, path = "/images/import", tag = "images", params(Import), request_body(content = Vec<u8>, content_type = "application/x-tar"), responses((status = 202, body = Task)))]
async fn import(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Import>,
    body: axum::body::Body,
) -> Answer<(StatusCode, Json<Task>)> {
    let name = asked.reference.as_deref().filter(|text| !text.trim().is_empty());
    let name = name.map(reference).transpose()?;
    let mut changes = Vec::new();
    if let Some(command) = asked.command.filter(|text| !text.is_empty()) {
        let read: Result<Vec<String>, _> = serde_json::from_str(&command);
        read.map_err(|error| Failure::mistake("command", error.to_string()))?;
        changes.push(format!("CMD {command}"));
    }
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let new = NewImport {
        reference: name,
        changes,
        owner: Some(caller.owner()),
        ..NewImport::default()
    };
    let id = front.engine.import(far, new);
    receive(&front, &id, body, near).await
}

/// Hands the body on. Who goes away in the middle cancels what would else take
/// half an archive for a broken one.
async fn receive(
    front: &Front,
    id: &TaskId,
    body: axum::body::Body,
    mut pipe: tokio::io::DuplexStream,
) -> Answer<(StatusCode, Json<Task>)> {
    let cancel = CancelOnDrop { front, id: Some(id) };
    let mut pieces = body.into_data_stream();
    let broken = loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                if pipe.write_all(&piece).await.is_err() {
                    // The task needs no more, or failed; how, it tells by itself.
                    break None;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = broken {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "upload_broken",
            format!("the archive did not arrive whole: {error}"),
        ));
    }
    cancel.keep();
    drop(pipe);
    let task = front.engine.task(id)?;
    if task.state.is_over()
        && let Some(failure) = task::failure(&task)
    {
        return Err(failure);
    }
    accepted(front, id)
}

struct CancelOnDrop<'a> {
    front: &'a Front,
    id: Option<&'a TaskId>,
}

impl CancelOnDrop<'_> {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _ = self.front.engine.cancel_task(id);
        }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Save {
    /// `docker`, which every tool can read, or `oci` for a plain OCI image layout.
    #[serde(default)]
    #[param(inline)]
    format: SaveFormat,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum SaveFormat {
    #[default]
    Docker,
    Oci,
}

/// Downloads an image as an archive.
///
/// If the image is requested by a tag, the archive contains that tag.
#[utoipa::path(get, path = "/images/{id}/save", tag = "images", params(("id" = String, Path), Save), responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
async fn save(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Save>,
) -> Answer<Archive> {
    // Its configuration and files hold what variables do.
    caller.require(Permission::Operate)?;
    let format = match asked.format {
        SaveFormat::Docker => ArchiveFormat::Docker,
        SaveFormat::Oci => ArchiveFormat::Oci,
    };
    let download = front.engine.save_images(&[id.clone()], format).await?;
    Ok(archive(&id, download))
}

/// Adds a tag to the image. A tag of another image is moved.
#[utoipa::path(post, path = "/images/{id}/tag", tag = "images", params(("id" = String, Path)), request_body = NewTag, responses((status = 204)))]
async fn tag(State(front): State<Front>, Path(id): Path<String>, Body(new): Body<NewTag>) -> Answer<StatusCode> {
    front.engine.tag(&id, reference(&new.reference)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Force {
    /// Allows the removal of an image with several tags by its id.
    #[serde(default)]
    force: bool,
}

/// Removes a tag, and the image with its last tag.
#[utoipa::path(delete, path = "/images/{id}", tag = "images", params(("id" = String, Path), Force), responses((status = 200, body = Removed)))]
async fn remove(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Force>,
) -> Answer<Json<Removed>> {
    let removed = front.engine.remove_image(&id, asked.force).await?;
    Ok(Json(Removed {
        untagged: removed.untagged.iter().map(Reference::short).collect(),
        freed_bytes: removed.freed_bytes,
        deleted: removed.deleted.iter().map(ToString::to_string).collect(),
    }))
}
