//! The host and the engine.

use super::front::Front;
use super::problem::Answer;
use axum::Json;
use axum::extract::State;
use model::Timestamp;
use shared::system::{Check, System, Usage};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(system))
        .routes(routes!(check))
        .routes(routes!(usage))
}

/// Returns information about the host and the server.
#[utoipa::path(get, path = "/system", tag = "system", responses((status = 200, body = System)))]
async fn system(State(front): State<Front>) -> Json<System> {
    let host = front.engine.host_info();
    let stats = front.engine.host_stats();
    let booted = i64::try_from(stats.uptime_s)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Timestamp::from_unix_nanos(stats.at.as_unix_nanos() - seconds * 1_000_000_000));
    Json(System {
        version: front.version.to_owned(),
        commit: front.commit.map(str::to_owned),
        bridge: host.bridge(),
        hostname: host.hostname,
        operating_system: host.operating_system,
        kernel: host.kernel,
        architecture: host.architecture.to_owned(),
        cpus: host.cpus,
        memory_bytes: host.memory_bytes,
        cgroups: host.cgroups.to_owned(),
        userns: host.userns.to_string(),
        rootless: host.rootless,
        mapped_mounts: host.mapped_mounts,
        snapshotter: host.snapshotter.snapshotter.name().to_owned(),
        snapshotter_reason: host.snapshotter.why,
        data_dir: host.data_dir.display().to_string(),
        subnet: host.subnet.to_string(),
        started: front.started().to_string(),
        booted: booted.map(|at| at.to_string()),
    })
}

/// Checks whether the host can run containers and reports missing requirements.
#[utoipa::path(get, path = "/system/check", tag = "system", responses((status = 200, body = Check)))]
async fn check(State(front): State<Front>) -> Answer<Json<Check>> {
    let check = front.check.clone();
    let report = tokio::task::spawn_blocking(move || check()).await;
    report.map(Json).map_err(|error| {
        super::problem::Failure::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            format!("the host check broke off: {error}"),
        )
    })
}

/// Returns the disk usage.
///
/// The files are counted on each request, which can take long.
#[utoipa::path(get, path = "/system/usage", tag = "system", responses((status = 200, body = Usage)))]
async fn usage(State(front): State<Front>) -> Answer<Json<Usage>> {
    let usage = front.engine.disk_usage().await?;
    Ok(Json(Usage {
        images_bytes: usage.layers_bytes + usage.content_bytes,
        containers_bytes: usage.containers.iter().map(|(_, disk)| disk.writable_bytes).sum(),
        volumes_bytes: usage.volumes.iter().map(|(_, bytes)| bytes).sum(),
        logs_bytes: usage.containers.iter().map(|(_, disk)| disk.log_bytes).sum(),
    }))
}
