//! `POST /build/prune`, and what is remembered, for `docker system df`.

use crate::docker::filters::Filters;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::extract::State;
use engine::{CacheEntry, Engine};
use model::event::Subject;
use serde_json::{Value, json};
use std::time::Duration;

pub(in crate::docker) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &["until"])?;
    let now = crate::now();
    let until = filters.until(now)?;
    // Without `all`, docker keeps what was used a moment ago; here all is as good as unused.
    let unused_for = until.map(|until| now.since(until));
    let keep = query
        .number::<u64>("keep-storage")?
        .or(query.number::<u64>("reserved-space")?);
    let pruned = engine
        .prune_build_cache(
            unused_for.filter(|time| *time > Duration::ZERO),
            keep.filter(|bytes| *bytes > 0),
        )
        .await?;
    engine
        .record_prune(Subject::Builder(String::new()), pruned.freed_bytes)
        .await?;
    Ok(Json(
        json!({ "CachesDeleted": pruned.keys, "SpaceReclaimed": pruned.freed_bytes }),
    ))
}

/// In the form of `GET /system/df`.
pub(in crate::docker) fn entries(entries: &[CacheEntry]) -> Vec<Value> {
    entries
        .iter()
        .map(|entry| {
            json!({
                "ID": entry.key,
                "Type": "regular",
                "Description": entry.title,
                "InUse": false,
                "Shared": false,
                "Size": entry.size_bytes,
                "CreatedAt": entry.created.to_string(),
                "LastUsedAt": entry.used.to_string(),
                "UsageCount": entry.uses,
            })
        })
        .collect()
}
