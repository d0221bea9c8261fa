//! A store to be attacked, and archives as a stranger writes them.

use image::{ImageError, ImportOptions, Limits, Progress, Store};
use model::Timestamp;
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{Cursor, Write as _};
use tar::{EntryType, Header};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const FILE: EntryType = EntryType::Regular;
pub(crate) const LINK: EntryType = EntryType::Symlink;
pub(crate) const HARD: EntryType = EntryType::Link;

pub(crate) struct Target {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Target {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("outside"), "untouched").unwrap();
        let store = Store::open_within(&dir.path().join("data"), limits).unwrap();
        Self { dir, store }
    }

    pub(crate) async fn import(&self, tar: Vec<u8>) -> Result<image::Image, ImageError> {
        let options = ImportOptions {
            config: image::document::ContainerConfig::default(),
            platform: None,
            message: None,
            created: Timestamp::from_unix_nanos(0),
        };
        let progress = watch::channel(Progress::default()).0;
        self.store
            .import(Cursor::new(tar), options, progress, CancellationToken::new())
            .await
    }

    pub(crate) async fn load(&self, tar: Vec<u8>) -> Result<(), ImageError> {
        let progress = watch::channel(Progress::default()).0;
        let loaded = self.store.load(Cursor::new(tar), progress, CancellationToken::new());
        loaded.await.map(drop)
    }

    /// What failed is gone with the next collection, and nothing outside was touched.
    pub(crate) fn check_nothing_left(&self) {
        self.store.collect(&[]).unwrap();
        let count = |dir: &str| fs::read_dir(self.dir.path().join("data").join(dir)).unwrap().count();
        assert_eq!(count("content/blobs/sha256"), 0);
        assert_eq!(count("content/ingest"), 0);
        assert_eq!(count("snapshots"), 0, "also nothing hidden");
        assert_eq!(
            fs::read_to_string(self.dir.path().join("outside")).unwrap(),
            "untouched"
        );
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 2);
    }

    pub(crate) fn root(&self, image: &image::Image) -> std::path::PathBuf {
        self.store.layer_paths(image)[0].clone()
    }
}

/// As a stranger writes it: the library would refuse such names.
pub(crate) fn entry(tar: &mut Vec<u8>, path: &str, kind: EntryType, link: &str, text: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    tar.extend(header.as_bytes());
    tar.extend(text);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// Name, kind, where a link points, content.
pub(crate) type Entry<'t> = (&'t str, EntryType, &'t str, &'t [u8]);

pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, kind, link, text) in entries {
        entry(&mut tar, path, *kind, link, text);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

pub(crate) fn is_root() -> bool {
    let is_root = sys::user::is_root();
    if !is_root {
        println!("skipped: unpacking with owners needs root");
    }
    is_root
}

/// Runs the test once more in a process of its own, where memory is its alone. There it
/// is told so; here it has nothing more to do.
pub(crate) fn is_alone() -> bool {
    const MARK: &str = "ATTACKED_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let outcome = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned() + &String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// proc_pid_status(5), "VmHWM"
pub(crate) fn peak_memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
