//! Space on the disk that is kept for ending things.
//!
//! On a full disk the database takes no change any more, so nothing could be recorded as
//! stopped or removed, which is what makes room. A file of some MiB stands for the space that
//! such changes need: it is removed when one of them finds the disk full, and made again once
//! there is room. Until then nothing new begins.

use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// As much as the database's log holds between two checkpoints.
const RESERVE_BYTES: usize = 4 << 20;
/// Room that is left to others before the reserve is made again.
const ROOM_BYTES: u64 = 16 << 20;
const LOOK_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("reserve"),
        }
    }

    /// Makes the file where there is room for it. Returns whether it is there.
    pub(crate) fn hold(&self) -> io::Result<bool> {
        if self.path.exists() {
            return Ok(true);
        }
        let Some(dir) = self.path.parent() else {
            return Ok(false);
        };
        if sys::host::space(dir)?.free_bytes < ROOM_BYTES {
            return Ok(false);
        }
        let temporary = self.path.with_extension("new");
        let written = write_incompressible(&temporary).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| true)
    }

    /// Gives the space back to the disk. Returns whether there was some.
    pub(crate) fn release(&self) -> bool {
        let released = fs::remove_file(&self.path).is_ok();
        if released {
            tracing::warn!(
                "the disk of the data directory is full; the space that is kept for stopping and removing containers \
                 is used now"
            );
        }
        released
    }
}

impl Inner {
    /// # Errors
    /// The disk is so full that the reserve is used up: what begins now could not be ended.
    pub(crate) fn require_room(&self) -> Result<(), EngineError> {
        let held = self.reserve.hold().unwrap_or(false);
        let space = sys::host::space(&self.layout.data).doing(|| "look for room on the disk".to_owned())?;
        if held || space.free_bytes >= RESERVE_BYTES as u64 {
            return Ok(());
        }
        Err(EngineError::Host {
            doing: format!("begin anything new in `{}`", self.layout.data.display()),
            source: Box::new(io::Error::new(
                io::ErrorKind::StorageFull,
                "the disk is full: remove containers, images or volumes that are not needed",
            )),
        })
    }
}

impl Inner {
    /// Releases the reserve on a full disk, before a removal that frees space: the database
    /// must be able to record it.
    pub(crate) fn make_room(&self) {
        let space = sys::host::space(&self.layout.data);
        if space.is_ok_and(|space| space.free_bytes < RESERVE_BYTES as u64) {
            self.reserve.release();
        }
    }
}

/// Makes the reserve, and makes it again after it was used.
pub(crate) async fn keep(engine: Arc<Inner>) {
    loop {
        let held = crate::blocking::blocking("keep space on the disk", {
            let engine = engine.clone();
            move || engine.reserve.hold().doing(|| "write the reserve".to_owned())
        });
        if let Err(error) = held.await {
            tracing::debug!(%error, "no space is kept on the disk");
        }
        tokio::select! {
            () = engine.ending.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// A file system that compresses would keep next to nothing of zeros.
fn write_incompressible(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; 64 << 10];
    for _ in 0..RESERVE_BYTES / piece.len() {
        rand::fill(&mut piece[..]);
        file.write_all(&piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_space_until_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path());
        assert!(!reserve.release());
        assert!(reserve.hold().unwrap() && reserve.hold().unwrap());
        assert_eq!(
            fs::metadata(dir.path().join("reserve")).unwrap().len(),
            RESERVE_BYTES as u64
        );
        assert!(reserve.release());
        assert!(!dir.path().join("reserve").exists());
    }
}
