//! `GET /system/df`: what is on the disk.

use crate::docker::container::row as container_row;
use crate::docker::image::list::row as image_row;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::volume;
use axum::Json;
use axum::extract::State;
use engine::Engine;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(in crate::docker) async fn df(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let types: Vec<&str> = query.all("type").collect();
    if let Some(unknown) = types
        .iter()
        .find(|kind| !["container", "image", "volume", "build-cache"].contains(kind))
    {
        return Err(Failure::invalid(format!("unknown object type: {unknown}")));
    }
    let wanted = |kind: &str| types.is_empty() || types.contains(&kind);
    let usage = engine.disk_usage().await?;
    let images = engine.images().await?.items;
    let host = engine.host_info();
    let mut shown = json!({ "BuilderSize": 0, "BuildCache": [] });
    if wanted("build-cache") {
        let cache = engine.build_cache().await?;
        let bytes: u64 = cache.iter().map(|entry| entry.size_bytes).sum();
        shown["BuilderSize"] = bytes.into();
        shown["BuildCache"] = crate::docker::build::entries(&cache).into();
    }
    if wanted("image") {
        shown["LayersSize"] = usage.layers_bytes.into();
        let rows = images.iter().map(|image| {
            let mut row = image_row(image);
            // Bytes of layers that another image has too.
            let others = images.iter().filter(|other| other.id != image.id);
            let theirs: Vec<_> = others
                .flat_map(|other| &other.layers)
                .map(|layer| &layer.chain_id)
                .collect();
            let shared: u64 = image
                .layers
                .iter()
                .filter(|layer| theirs.contains(&&layer.chain_id))
                .map(|layer| layer.unpacked_bytes)
                .sum();
            row["SharedSize"] = shared.into();
            row
        });
        shown["Images"] = rows.collect();
    }
    if wanted("container") {
        let sizes: HashMap<_, _> = usage.containers.iter().cloned().collect();
        let rows = engine.list().items;
        shown["Containers"] = rows
            .iter()
            .map(|container| {
                let mut row = container_row(container, &host);
                let writable = sizes.get(&container.id).map_or(0, |disk| disk.writable_bytes);
                let image = images.iter().find(|image| image.id == container.spec.image.id);
                row["SizeRw"] = writable.into();
                row["SizeRootFs"] = (writable + image.map_or(0, engine::Image::unpacked_bytes)).into();
                row
            })
            .collect();
    }
    if wanted("volume") {
        let sizes: HashMap<String, u64> = usage.volumes.into_iter().collect();
        shown["Volumes"] = engine
            .volumes()
            .await?
            .iter()
            .map(|one| {
                let mut row = volume::show(one);
                let bytes = sizes.get(&one.name).copied().unwrap_or(0);
                row["UsageData"] = json!({ "Size": bytes, "RefCount": one.used_by.len() });
                row
            })
            .collect();
    }
    Ok(Json(shown))
}
