//! Doors for `tests/fuzz`: what registries and archives send.

use crate::{ImageError, Limits, Progress, Store, config, layer, manifest};
use model::image::Digest;
use std::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Bytes of a manifest or index, of an image or of what refers to one.
pub fn manifest(json: &[u8], announced: Option<&str>) -> Result<(), ImageError> {
    if let Ok(artifact) = manifest::artifact::parse(json) {
        assert!(!artifact.blobs.is_empty());
    }
    let _ = manifest::artifact::listed(json);
    manifest::parse(json, announced).map(drop)
}

/// Bytes of an image's configuration; chain ids are worked out as well.
pub fn config(json: &[u8]) -> Result<(), ImageError> {
    let parsed = config::parse(json)?;
    let chain = layer::chain_ids(&parsed.diff_ids);
    assert_eq!(chain.len(), parsed.diff_ids.len());
    Ok(())
}

/// Unpacks a layer, packed or not, into the empty directory `into`.
pub fn unpack(packed: &[u8], into: &Path) -> Result<(), ImageError> {
    let digest = Digest::from_sha256([0; 32]);
    let limits = layer::Limits::default();
    let tar = layer::Unpacked::new(packed, Some(packed.len() as u64), limits).map_err(|source| ImageError::Unpack {
        layer: digest.clone(),
        path: into.to_owned(),
        source,
    })?;
    layer::unpack(
        &digest,
        tar,
        layer::Hashing::Here,
        into,
        limits,
        &CancellationToken::new(),
    )
    .map(drop)
}

/// Takes all images of an archive into a store below `data`, which is not there yet.
pub fn load(archive: &[u8], data: &Path) -> Result<usize, ImageError> {
    let limits = Limits {
        bytes: 64 << 20,
        entries: 10_000,
        ..Limits::default()
    };
    let store = Store::open_within(data, limits)?;
    let progress = watch::channel(Progress::default()).0;
    let loaded = store.take_all(archive, &progress, &CancellationToken::new())?;
    for (image, _) in &loaded {
        assert!(store.has(image), "an image that was taken is here whole");
    }
    Ok(loaded.len())
}
