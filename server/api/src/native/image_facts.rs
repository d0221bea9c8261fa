//! What is in an image: the files of its layers, what they waste, the packages found.

use super::body::{Path, Query};
use super::front::Front;
use super::problem::Answer;
use super::words;
use axum::Json;
use axum::extract::State;
use engine::{EntryKind, LayerChange, LayerFile, SbomFormat};
use serde::Deserialize;
use shared::image::Referrer;
use shared::layer::{Change, File, FileKind, Waste, WastedFile};
use shared::list::List;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(files))
        .routes(routes!(waste))
        .routes(routes!(sbom))
        .routes(routes!(referrers))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Files {
    /// Directory. Default: the root.
    #[serde(default)]
    path: String,
    /// Returns the result of all layers up to this one instead of the layer alone.
    #[serde(default)]
    whole: bool,
}

/// Lists one directory of a layer: the files that the layer adds, changes and deletes.
///
/// Layers are numbered from the lowest, starting at 0.
#[utoipa::path(get, path = "/images/{id}/layers/{position}/files", tag = "images", params(("id" = String, Path), ("position" = usize, Path), Files), responses((status = 200, body = List<File>)))]
async fn files(
    State(front): State<Front>,
    Path((id, position)): Path<(String, usize)>,
    Query(asked): Query<Files>,
) -> Answer<Json<List<File>>> {
    let files = front
        .engine
        .layer_files(&id, position, &asked.path, asked.whole)
        .await?;
    let items = files.into_iter().map(shown).collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}

/// Reports the files of an image that a later layer replaces or deletes.
#[utoipa::path(get, path = "/images/{id}/waste", tag = "images", params(("id" = String, Path)), responses((status = 200, body = Waste)))]
async fn waste(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Waste>> {
    let waste = front.engine.image_waste(&id).await?;
    let worst = waste.worst.into_iter().map(|(path, wasted_bytes, layers)| WastedFile {
        path: path.to_string_lossy().into_owned(),
        wasted_bytes,
        layers,
    });
    Ok(Json(Waste {
        total_bytes: waste.total_bytes,
        wasted_bytes: waste.wasted_bytes,
        worst: worst.collect(),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Sbom {
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = SbomFormat)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// SPDX 2.3.
    #[default]
    Spdx,
    /// CycloneDX 1.5.
    CycloneDx,
}

/// Returns an SBOM of the packages found in the image: Debian, Alpine, Python, npm, Cargo and Go.
#[utoipa::path(get, path = "/images/{id}/sbom", tag = "images", params(("id" = String, Path), Sbom), responses((status = 200, body = serde_json::Value)))]
async fn sbom(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Sbom>,
) -> Answer<Json<serde_json::Value>> {
    let format = match asked.format {
        Format::Spdx => SbomFormat::Spdx,
        Format::CycloneDx => SbomFormat::CycloneDx,
    };
    Ok(Json(front.engine.image_sbom(&id, format).await?))
}

/// Lists the referrers stored with the image: signatures, SBOMs and other artifacts.
#[utoipa::path(get, path = "/images/{id}/referrers", tag = "images", params(("id" = String, Path)), responses((status = 200, body = List<Referrer>)))]
async fn referrers(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<List<Referrer>>> {
    let found = front.engine.image_referrers(&id).await?;
    let items = found.into_iter().map(|found| Referrer {
        manifest: found.manifest.to_string(),
        subject: found.subject.to_string(),
        artifact_type: found.artifact_type,
        annotations: found.annotations,
        size_bytes: found.size_bytes,
        tag: found.tag,
    });
    Ok(Json(words::whole_list(items.collect(), front.engine.last_seq())))
}

fn shown(file: LayerFile) -> File {
    File {
        name: file.name.to_string_lossy().into_owned(),
        kind: match file.kind {
            EntryKind::Directory => FileKind::Directory,
            EntryKind::File => FileKind::File,
            EntryKind::Symlink => FileKind::Link,
            EntryKind::Fifo | EntryKind::Socket | EntryKind::Character { .. } | EntryKind::Block { .. } => {
                FileKind::Other
            }
        },
        change: match file.change {
            LayerChange::Added => Change::Added,
            LayerChange::Changed => Change::Changed,
            LayerChange::Removed => Change::Removed,
            LayerChange::Unchanged => Change::Unchanged,
        },
        size_bytes: file.size_bytes,
        mode: format!("{:04o}", file.mode),
        owner: format!("{}:{}", file.uid, file.gid),
        target: file.target.map(|target| target.to_string_lossy().into_owned()),
        entries: file.entries,
    }
}
