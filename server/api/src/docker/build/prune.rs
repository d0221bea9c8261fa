//! `POST /build/prune`, and what is remembered, for `docker system df`.

use crate::docker::filters::Filters;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::extract::State;
use engine::{CacheEntry, CachePruneRules, Engine};
use model::event::Subject;
use serde_json::{Value, json};
use std::time::Duration;

/// Those of BuildKit's cache records; no record here has a parent, a label or a user.
const FILTERS: [&str; 11] = [
    "description",
    "id",
    "inuse",
    "label",
    "label!",
    "parent",
    "private",
    "shared",
    "type",
    "until",
    "unused-for",
];
const TYPE: &str = "regular";

pub(in crate::docker) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &FILTERS)?;
    let now = crate::now();
    let until = filters.until(now)?;
    // Without `all`, docker keeps what was used a moment ago; here all is as good as unused.
    let unused_for = until.map(|until| now.since(until));
    if query.number::<u64>("min-free-space")?.is_some_and(|bytes| bytes > 0) {
        return Err(Failure::unsupported("min-free-space"));
    }
    let amount = |name| Ok::<_, Failure>(query.number::<u64>(name)?.filter(|bytes| *bytes > 0));
    let reserved = amount("keep-storage")?.or(amount("reserved-space")?);
    let rules = CachePruneRules {
        unused_for: unused_for.filter(|time| *time > Duration::ZERO),
        keep_bytes: reserved.max(amount("max-used-space")?),
        only: chosen(&engine, &filters).await?,
    };
    let pruned = engine.prune_build_cache(&rules).await?;
    engine
        .record_prune(Subject::Builder(String::new()), pruned.freed_bytes)
        .await?;
    Ok(Json(
        json!({ "CachesDeleted": pruned.keys, "SpaceReclaimed": pruned.freed_bytes }),
    ))
}

/// The keys that the filters choose; `None` where none was given.
async fn chosen(engine: &Engine, filters: &Filters) -> Result<Option<Vec<String>>, Failure> {
    let by_record = FILTERS.iter().filter(|name| !matches!(**name, "until" | "unused-for"));
    if !by_record.into_iter().any(|name| filters.has(name)) {
        return Ok(None);
    }
    let ids = filters.values("id").iter();
    let ids = ids
        .map(|id| regex::Regex::new(id).map_err(|_| Failure::invalid(format!("invalid filter 'id={id}'"))))
        .collect::<Result<Vec<_>, _>>()?;
    // Each may stand alone, without a value.
    let asks = |name: &str| filters.has(name) && !filters.values(name).iter().any(|value| value == "false");
    let never = ["inuse", "parent", "shared"].into_iter().any(asks);
    let entries = engine.build_cache().await?.into_iter().filter(|entry| {
        !never
            && (ids.is_empty() || ids.iter().any(|id| id.is_match(&entry.key)))
            && filters.allows("type", |wanted| wanted == TYPE)
            && filters.allows("description", |wanted| wanted == entry.title)
            && filters.allows_labels(&[])
    });
    Ok(Some(entries.map(|entry| entry.key).collect()))
}

/// In the form of `GET /system/df`.
pub(in crate::docker) fn entries(entries: &[CacheEntry]) -> Vec<Value> {
    entries
        .iter()
        .map(|entry| {
            json!({
                "ID": entry.key,
                "Type": TYPE,
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
