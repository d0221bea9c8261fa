//! Outcomes of steps that are remembered, in the database: the collector keeps the
//! layers they stand on, and pruning forgets them.

use crate::clock;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::images::layer_row;
use image::Layer;
use model::Timestamp;
use std::time::Duration;
use store::build_cache::CacheRow;
use store::images::LayerRow;

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) created: Timestamp,
    /// `None` when it changed no file.
    pub(super) layer: Option<Layer>,
}

/// A remembered outcome, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    pub key: String,
    /// The step.
    pub title: String,
    pub created: Timestamp,
    pub used: Timestamp,
    pub uses: u64,
    /// Of its own layer, unpacked; also where an image has it, too.
    pub size_bytes: u64,
}

/// Which outcomes are forgotten; without rules, all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePruneRules {
    /// Only what was not used for so long.
    pub unused_for: Option<Duration>,
    /// Only as many, the least recently used first, as leave no more than this.
    pub keep_bytes: Option<u64>,
    /// Only these keys.
    pub only: Option<Vec<String>>,
}

/// What pruning did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePruned {
    pub keys: Vec<String>,
    pub freed_bytes: u64,
}

/// The outcome of this key, if all it needs is here.
pub(super) async fn find(engine: &Inner, key: &str) -> Result<Option<Outcome>, EngineError> {
    let Some(row) = store::build_cache::find(&mut *engine.database().read().await?, key).await? else {
        return Ok(None);
    };
    let layer = if row.has_layer {
        row.layers.last().cloned().map(layer_of)
    } else {
        None
    };
    if layer.as_ref().is_some_and(|layer| !is_here(engine, layer)) {
        return Ok(None);
    }
    Ok(Some(Outcome {
        created: row.created,
        layer,
    }))
}

fn is_here(engine: &Inner, layer: &Layer) -> bool {
    let paths = engine.images.chain_paths(&[layer.chain_id.clone()]);
    paths.iter().all(|path| path.is_dir()) && engine.images.blob(&layer.digest).is_ok()
}

/// Remembers an outcome of a step on `below`.
pub(super) async fn remember(
    engine: &Inner,
    key: String,
    title: &str,
    outcome: &Outcome,
    below: &[Layer],
) -> Result<(), EngineError> {
    let layers: Vec<LayerRow> = match &outcome.layer {
        Some(layer) => below.iter().chain([layer]).map(layer_row).collect(),
        None => Vec::new(),
    };
    let row = CacheRow {
        key,
        title: title.to_owned(),
        created: outcome.created,
        used: clock::now(),
        uses: 0,
        size_bytes: outcome.layer.as_ref().map_or(0, |layer| layer.unpacked_bytes),
        has_layer: outcome.layer.is_some(),
        layers,
    };
    let mut change = engine.journal.change().await?;
    store::build_cache::put(change.db(), &row).await?;
    change.commit(|| {}).await
}

/// Notes that outcomes were used, all at once.
pub(super) async fn touch(engine: &Inner, keys: &[String]) -> Result<(), EngineError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut change = engine.journal.change().await?;
    store::build_cache::touch(change.db(), keys, clock::now()).await?;
    change.commit(|| {}).await
}

/// What the collector must keep, in the form of images: layers that are remembered have
/// neither configuration nor manifest, so the layer stands for both.
pub(crate) async fn kept(engine: &Inner) -> Result<Vec<image::Image>, EngineError> {
    let rows = store::build_cache::list(&mut *engine.database().read().await?).await?;
    let kept = rows.into_iter().filter_map(|row| {
        let layers: Vec<Layer> = row.layers.into_iter().map(layer_of).collect();
        let top = layers.last()?.digest.clone();
        Some(image::Image {
            id: top.clone(),
            manifest: top,
            config: model::image::ImageConfig::default(),
            created: None,
            size_bytes: 0,
            layers,
        })
    });
    Ok(kept.collect())
}

/// Forgets all outcomes; the layers that only they needed are collected afterwards.
pub(crate) async fn forget_all(engine: &Inner) -> Result<(), EngineError> {
    let rows = store::build_cache::list(&mut *engine.database().read().await?).await?;
    let mut change = engine.journal.change().await?;
    for row in rows {
        store::build_cache::remove(change.db(), &row.key).await?;
    }
    change.commit(|| {}).await
}

fn layer_of(row: LayerRow) -> Layer {
    Layer {
        digest: row.digest,
        diff_id: row.diff_id,
        chain_id: row.chain_id,
        size_bytes: row.size_bytes,
        unpacked_bytes: row.unpacked_bytes,
    }
}

impl Engine {
    /// The least recently used first.
    pub async fn build_cache(&self) -> Result<Vec<CacheEntry>, EngineError> {
        let rows = store::build_cache::list(&mut *self.inner.database().read().await?).await?;
        let entries = rows.into_iter().map(|row| CacheEntry {
            key: row.key,
            title: row.title,
            created: row.created,
            used: row.used,
            uses: row.uses,
            size_bytes: row.size_bytes,
        });
        Ok(entries.collect())
    }

    /// Forgets outcomes by rules. What only they needed goes with them, and so do the
    /// caches of `RUN --mount=type=cache` when everything is to go.
    pub async fn prune_build_cache(&self, rules: &CachePruneRules) -> Result<CachePruned, EngineError> {
        let rows = store::build_cache::list(&mut *self.inner.database().read().await?).await?;
        let now = clock::now();
        let mut left: u64 = rows.iter().map(|row| row.size_bytes).sum();
        let mut pruned = CachePruned::default();
        let before = self.disk_usage().await?.layers_bytes;
        self.inner.make_room();
        let mut change = self.inner.journal.change().await?;
        for row in rows {
            let old = rules.unused_for.is_none_or(|limit| now.since(row.used) >= limit);
            let too_much = rules.keep_bytes.is_none_or(|keep| left > keep);
            let chosen = rules.only.as_ref().is_none_or(|only| only.contains(&row.key));
            if old && too_much && chosen && store::build_cache::remove(change.db(), &row.key).await? {
                left -= row.size_bytes;
                pruned.keys.push(row.key);
            }
        }
        change.commit(|| {}).await?;
        if *rules == CachePruneRules::default() {
            pruned.freed_bytes += super::mounts::remove_caches(&self.inner).await?;
        }
        self.collect_images().await;
        pruned.freed_bytes += before.saturating_sub(self.disk_usage().await?.layers_bytes);
        Ok(pruned)
    }
}
