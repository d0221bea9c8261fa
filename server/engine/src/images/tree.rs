//! All layers of all images, each once: who stands on whom, and what would be free
//! without it.

use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::EngineError;
use model::image::{Digest, Reference};
use std::collections::HashMap;
use store::images::ImageRow;

/// A layer on those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeNode {
    pub chain_id: Digest,
    pub parent: Option<Digest>,
    /// What made it, in a line.
    pub instruction: String,
    /// Unpacked and as it came, on the disk.
    pub size_bytes: u64,
    pub image_count: u32,
    /// What removing every image above would free.
    pub freed_bytes: u64,
    pub images: Vec<TreeLeaf>,
}

/// An image that ends at a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeLeaf {
    pub id: Digest,
    pub tags: Vec<Reference>,
    pub containers: u32,
    /// What removing this image alone would free.
    pub freed_bytes: u64,
}

impl Engine {
    /// Parents before children; images side by side in the order of the list.
    pub async fn layer_tree(&self) -> Result<Vec<TreeNode>, EngineError> {
        let images = self.images().await?.items;
        let rows = store::images::list(&mut *self.inner.database().read().await?).await?;
        let mut leaves: HashMap<Digest, (Vec<Reference>, u32)> = HashMap::new();
        for image in images {
            let containers = u32::try_from(image.containers.len()).unwrap_or(u32::MAX);
            leaves.insert(image.id, (image.tags, containers));
        }
        let engine = self.inner.clone();
        blocking("measure the layers of images", move || {
            Ok(grow(&engine.images, &rows, &mut leaves))
        })
        .await
    }
}

fn grow(store: &image::Store, rows: &[ImageRow], leaves: &mut HashMap<Digest, (Vec<Reference>, u32)>) -> Vec<TreeNode> {
    let mut nodes: Vec<TreeNode> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    // One blob may lie in several layers, and stays as long as one of them.
    let mut blob_uses: HashMap<&Digest, u32> = HashMap::new();
    for row in rows {
        for layer in &row.layers {
            *blob_uses.entry(&layer.digest).or_default() += 1;
        }
    }
    for row in rows {
        let instructions = instructions(store, row);
        let mut parent: Option<Digest> = None;
        for (number, layer) in row.layers.iter().enumerate() {
            let place = *places.entry(layer.chain_id.clone()).or_insert_with(|| {
                nodes.push(TreeNode {
                    chain_id: layer.chain_id.clone(),
                    parent: parent.clone(),
                    instruction: instructions.get(number).cloned().unwrap_or_default(),
                    size_bytes: store.snapshot_disk_bytes(&layer.chain_id) + store.blob_disk_bytes(&layer.digest),
                    image_count: 0,
                    freed_bytes: 0,
                    images: Vec::new(),
                });
                nodes.len() - 1
            });
            nodes[place].image_count += 1;
            parent = Some(layer.chain_id.clone());
        }
    }
    for row in rows {
        let own = [&row.id, &row.manifest].map(|digest| store.blob_disk_bytes(digest));
        let mut freed_bytes: u64 = own.iter().sum();
        for layer in &row.layers {
            let node = &nodes[places[&layer.chain_id]];
            if node.image_count == 1 {
                freed_bytes += store.snapshot_disk_bytes(&layer.chain_id);
                if blob_uses[&layer.digest] == 1 {
                    freed_bytes += store.blob_disk_bytes(&layer.digest);
                }
            }
        }
        let (tags, containers) = leaves.remove(&row.id).unwrap_or_default();
        let leaf = TreeLeaf {
            id: row.id.clone(),
            tags,
            containers,
            freed_bytes,
        };
        if let Some(layer) = row.layers.last() {
            nodes[places[&layer.chain_id]].images.push(leaf);
        }
    }
    add_up(store, rows, &mut nodes, &places);
    nodes
}

/// A child was pushed after its parent: backwards, every sum is whole when it is added
/// to the one below.
fn add_up(store: &image::Store, rows: &[ImageRow], nodes: &mut [TreeNode], places: &HashMap<Digest, usize>) {
    for row in rows {
        if let Some(layer) = row.layers.last() {
            let own = [&row.id, &row.manifest].map(|digest| store.blob_disk_bytes(digest));
            nodes[places[&layer.chain_id]].freed_bytes += own.iter().sum::<u64>();
        }
    }
    for place in (0..nodes.len()).rev() {
        nodes[place].freed_bytes += nodes[place].size_bytes;
        let freed = nodes[place].freed_bytes;
        if let Some(below) = nodes[place].parent.as_ref().and_then(|parent| places.get(parent)) {
            nodes[*below].freed_bytes += freed;
        }
    }
}

/// One of each layer, lowest first: what the history says of steps that made one.
fn instructions(store: &image::Store, row: &ImageRow) -> Vec<String> {
    let history = store
        .parsed_config(&row.id)
        .map(|parsed| parsed.history)
        .unwrap_or_default();
    let made = history.into_iter().filter(|step| !step.empty_layer);
    made.map(|step| {
        if step.created_by.is_empty() {
            step.comment
        } else {
            step.created_by
        }
    })
    .collect()
}
