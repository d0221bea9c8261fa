//! Removing one image, or all that nobody needs.

use super::list::born;
use crate::docker::filters::Filters;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::now;
use axum::Json;
use axum::extract::{Path, State};
use engine::{Engine, EngineError, Image, PruneRules, Removed};
use serde_json::{Value, json};

/// `DELETE /images/{name}`
pub(in crate::docker) async fn remove(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Failure> {
    if query.flag("noprune") {
        return Err(Failure::unsupported("noprune"));
    }
    match engine.remove_image(&name, query.flag("force")).await {
        Ok(removed) => Ok(Json(Value::Array(show(&removed)))),
        Err(EngineError::InUse { by, .. }) => Err(Failure::conflict(format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - {} is using its referenced image",
            by.join(", ")
        ))),
        Err(error) => Err(error.into()),
    }
}

fn show(removed: &Removed) -> Vec<Value> {
    let untagged = removed
        .untagged
        .iter()
        .map(|reference| json!({ "Untagged": reference.short() }));
    let deleted = removed
        .deleted
        .iter()
        .map(|digest| json!({ "Deleted": digest.as_str() }));
    untagged.chain(deleted).collect()
}

/// `POST /images/prune`: those without a name; with `dangling=false` all without a container.
pub(in crate::docker) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &["dangling", "until", "label", "label!"])?;
    let only_dangling = filters.flag("dangling")?.unwrap_or(true);
    let until = filters.until(now())?;
    let rules = PruneRules {
        unused: !only_dangling,
        ..PruneRules::default()
    };
    let allows =
        |image: &Image| until.is_none_or(|until| born(image) < until) && filters.allows_labels(&image.config.labels);
    let pruned = engine.prune_images(&rules, allows).await?;
    let gone = pruned.images.into_iter().flat_map(|image| {
        show(&Removed {
            untagged: image.tags.into_iter().chain(image.digests).collect(),
            deleted: vec![image.id],
            ..Removed::default()
        })
    });
    Ok(Json(json!({
        "ImagesDeleted": gone.collect::<Vec<_>>(),
        "SpaceReclaimed": pruned.freed_bytes,
    })))
}
