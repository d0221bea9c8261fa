//! All layers of all images, each once: who stands on whom, and what would be free
//! without it.

use super::ledger::Ledger;
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
        let ledger = self.ledger().await?;
        let engine = self.inner.clone();
        blocking("measure the layers of images", move || {
            Ok(grow(&engine.images, &ledger, &rows, &mut leaves))
        })
        .await
    }
}

fn grow(
    store: &image::Store,
    ledger: &Ledger,
    rows: &[ImageRow],
    leaves: &mut HashMap<Digest, (Vec<Reference>, u32)>,
) -> Vec<TreeNode> {
    let mut nodes: Vec<TreeNode> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    // Of each node, the images above it.
    let mut above: Vec<Vec<&Digest>> = Vec::new();
    for row in rows {
        let instructions = instructions(store, row);
        let mut parent: Option<Digest> = None;
        for (number, layer) in row.layers.iter().enumerate() {
            let place = *places.entry(layer.chain_id.clone()).or_insert_with(|| {
                nodes.push(TreeNode {
                    chain_id: layer.chain_id.clone(),
                    parent: parent.clone(),
                    instruction: instructions.get(number).cloned().unwrap_or_default(),
                    size_bytes: ledger.layer_bytes(layer),
                    image_count: 0,
                    freed_bytes: 0,
                    images: Vec::new(),
                });
                above.push(Vec::new());
                nodes.len() - 1
            });
            nodes[place].image_count += 1;
            above[place].push(&row.id);
            parent = Some(layer.chain_id.clone());
        }
        let (tags, containers) = leaves.remove(&row.id).unwrap_or_default();
        let leaf = TreeLeaf {
            id: row.id.clone(),
            tags,
            containers,
            freed_bytes: ledger.freed([&row.id]),
        };
        if let Some(layer) = row.layers.last() {
            nodes[places[&layer.chain_id]].images.push(leaf);
        }
    }
    for (node, images) in nodes.iter_mut().zip(above) {
        node.freed_bytes = ledger.freed(images);
    }
    nodes
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
