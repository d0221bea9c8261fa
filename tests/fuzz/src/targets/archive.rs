//! What `docker load` is given: an archive as `docker save` writes it, or an OCI layout,
//! packed or not, read to the end and unpacked.

use std::fs;
use std::path::Path;

pub(crate) fn run(bytes: &[u8]) {
    let outside = tempfile::Builder::new()
        .prefix("fuzz-archive-")
        .tempdir()
        .expect("a temporary directory");
    let data = outside.path().join("data");
    let _ = image::fuzz::load(bytes, &data);
    let there = |path: &Path| -> Vec<String> {
        let listed = fs::read_dir(path).expect("it is there");
        listed
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    };
    assert_eq!(there(outside.path()), ["data"], "it reached outside");
    assert!(
        there(&data.join("content/ingest")).is_empty(),
        "half made blobs are left"
    );
    let snapshots = there(&data.join("snapshots"));
    assert!(!snapshots.iter().any(|name| name.starts_with('.')), "{snapshots:?}");
}
