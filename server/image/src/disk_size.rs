//! What is taken on the disk, and would be free without it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Directories that never change, counted once.
#[derive(Debug, Clone, Default)]
pub(crate) struct DiskSizes {
    known: Arc<Mutex<HashMap<PathBuf, u64>>>,
}

impl DiskSizes {
    pub(crate) fn of(&self, dir: &Path) -> u64 {
        if let Some(bytes) = self.lock().get(dir) {
            return *bytes;
        }
        let mut seen = HashSet::new();
        let bytes = tree(dir, &mut seen);
        if dir.is_dir() {
            self.lock().insert(dir.to_owned(), bytes);
        }
        bytes
    }

    pub(crate) fn forget(&self, dir: &Path) {
        self.lock().remove(dir);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole blocks: stat(2), `st_blocks`.
pub(crate) fn allocated(found: &Metadata) -> u64 {
    found.blocks() * 512
}

/// A file of several names counts once; what cannot be read counts nothing.
fn tree(path: &Path, seen: &mut HashSet<u64>) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !found.is_dir() {
        let is_new = found.nlink() < 2 || seen.insert(found.ino());
        return if is_new { allocated(&found) } else { 0 };
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    allocated(&found) + entries.map(|entry| tree(&entry.path(), seen)).sum::<u64>()
}
