//! A layer, unpacked into a directory that it cannot leave.

use std::fs;
use std::path::Path;

const SECRET: &str = "of the host";

pub(crate) fn run(bytes: &[u8]) {
    let outside = tempfile::Builder::new()
        .prefix("fuzz-layer-")
        .tempdir()
        .expect("a temporary directory");
    let into = outside.path().join("layer");
    let file = outside.path().join("file");
    fs::create_dir(&into).expect("an empty directory");
    fs::write(&file, SECRET).expect("a writable directory");
    let before = look(outside.path(), &file);
    let _ = image::fuzz::unpack(bytes, &into);
    assert_eq!(look(outside.path(), &file), before, "it reached outside");
}

/// What a layer could have changed beside its own directory.
fn look(outside: &Path, file: &Path) -> (Vec<std::ffi::OsString>, String, u32, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let listed = fs::read_dir(outside).expect("it is there");
    let mut names: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    let metadata = fs::metadata(file).expect("it is there");
    let text = fs::read_to_string(file).unwrap_or_default();
    (names, text, metadata.mode(), metadata.nlink())
}
