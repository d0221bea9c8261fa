//! `GET /images/json`

use super::glob;
use crate::docker::container::show_labels;
use crate::docker::filters::Filters;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::now;
use axum::Json;
use axum::extract::State;
use engine::{Engine, Image};
use model::Timestamp;
use model::image::Reference;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FILTERS: [&str; 7] = ["before", "dangling", "label", "label!", "reference", "since", "until"];

pub(in crate::docker) async fn list(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &FILTERS)?;
    let dangling = filters.flag("dangling")?;
    let until = filters.until(now())?;
    let mut moments = [None, None];
    for (moment, name) in moments.iter_mut().zip(["before", "since"]) {
        if let [other, ..] = filters.values(name) {
            *moment = Some(born(&engine.image(other).await?));
        }
    }
    let [before, since] = moments;
    let mut images = engine.images().await?.items;
    images.retain(|image| {
        dangling.is_none_or(|dangling| image.tags.is_empty() == dangling)
            && before.is_none_or(|before| born(image) < before)
            && since.is_none_or(|since| born(image) > since)
            && until.is_none_or(|until| born(image) < until)
            && filters.allows_labels(&image.config.labels)
            && filters.allows("reference", |pattern| {
                image.tags.iter().any(|tag| is_like(tag, pattern))
            })
    });
    images.sort_by_key(|image| std::cmp::Reverse(born(image)));
    let rows = images
        .iter()
        .map(|image| {
            let mut row = row(image);
            if filters.has("reference") {
                let mut named = image.clone();
                let allowed = |name: &Reference| filters.allows("reference", |pattern| is_like(name, pattern));
                named.tags.retain(allowed);
                named.digests.retain(allowed);
                row["RepoTags"] = tags(&named).into();
                row["RepoDigests"] = json!(digests(&named));
            }
            row
        })
        .collect();
    Ok(Json(Value::Array(rows)))
}

/// When it was built, else when it came.
pub(super) fn born(image: &Image) -> Timestamp {
    image.created.unwrap_or(image.added)
}

/// With and without the tag, in the short form and in the complete one.
fn is_like(tag: &Reference, pattern: &str) -> bool {
    let complete = format!("{}/{}", tag.registry(), tag.repository());
    [tag.short(), tag.short_name(), tag.to_string(), complete]
        .iter()
        .any(|name| glob::matches(pattern, name))
}

pub(in crate::docker) fn row(image: &Image) -> Value {
    json!({
        "Id": image.id.as_str(),
        "ParentId": "",
        "RepoTags": tags(image),
        "RepoDigests": digests(image),
        "Created": born(image).as_unix_nanos() / 1_000_000_000,
        "Size": image.unpacked_bytes(),
        "SharedSize": -1,
        "Labels": show_labels(&image.config.labels),
        "Containers": image.containers.len(),
    })
}

pub(super) fn tags(image: &Image) -> Vec<String> {
    image
        .tags
        .iter()
        .filter(|tag| tag.tag().is_some())
        .map(Reference::short)
        .collect()
}

/// What it was brought or sent as; else each repository it is named in, with the
/// digest of its manifest.
pub(super) fn digests(image: &Image) -> BTreeSet<String> {
    if !image.digests.is_empty() {
        return image.digests.iter().map(Reference::short).collect();
    }
    image
        .tags
        .iter()
        .map(|tag| format!("{}@{}", tag.short_name(), image.manifest))
        .collect()
}
