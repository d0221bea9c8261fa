//! Removing one container, or all that do not run.

use crate::docker::filters::Filters;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::now;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use engine::{Engine, RemoveOptions};
use model::event::Subject;
use serde_json::{Value, json};

pub(in crate::docker) async fn remove(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, Failure> {
    if query.flag("link") {
        return Err(Failure::unsupported("link"));
    }
    let id = engine.find(&name)?;
    let options = RemoveOptions {
        force: query.flag("force"),
        volumes: query.flag("v"),
    };
    engine.remove(&id, options).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/prune`
pub(in crate::docker) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &["until", "label", "label!"])?;
    let until = filters.until(now())?;
    let usage = engine.disk_usage().await?;
    let mut deleted = Vec::new();
    let mut reclaimed = 0;
    for container in engine.list().items {
        let stays = container.is_running()
            || container.restart_at.is_some()
            || until.is_some_and(|until| container.created >= until)
            || !filters.allows_labels(&container.spec.labels);
        if stays {
            continue;
        }
        match engine.remove(&container.id, RemoveOptions::default()).await {
            Ok(()) => {
                let disk = usage.containers.iter().find(|(id, _)| *id == container.id);
                reclaimed += disk.map_or(0, |(_, disk)| disk.writable_bytes + disk.log_bytes);
                deleted.push(container.id.to_string());
            }
            // Started or removed by someone else meanwhile.
            Err(error) => tracing::info!(id = container.id.short(), %error, "not pruned"),
        }
    }
    engine
        .record_prune(Subject::Container(String::new()), reclaimed)
        .await?;
    Ok(Json(
        json!({ "ContainersDeleted": deleted, "SpaceReclaimed": reclaimed }),
    ))
}
