//! What has its name, and may not be on disk yet.
//!
//! Syncing every file as it comes would make a pull wait for the disk again and again,
//! and one sync of the file system waits for what everybody else wrote to it. So a blob
//! or a snapshot is first noted here, then named; only the notes are synced before an
//! image is told of, and one syncfs(2) afterwards takes them away. A host that goes down
//! in between leaves notes of another boot, and what they name is removed. A process that
//! ends leaves the kernel's memory as it is: notes of this boot are believed, and settled
//! with the next.

use crate::ImageError;
use crate::content::random_name;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Debug, Clone)]
pub(crate) struct Settling {
    dir: PathBuf,
    boot: String,
    work: Arc<Mutex<Work>>,
}

/// What the thread that settles is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    None,
    UnderWay,
    /// Something was noted since it began.
    Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Snapshot,
    /// Several layers as one tree.
    Root,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Snapshot => "snapshot",
            Self::Root => "root",
        }
    }
}

impl Settling {
    pub(crate) fn open(dir: &Path) -> Result<Self, ImageError> {
        let boot = sys::session::boot_id().map_err(ImageError::file("read", "boot_id"))?;
        fs::create_dir_all(dir).map_err(ImageError::file("make", dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            boot,
            work: Arc::new(Mutex::new(Work::None)),
        })
    }

    /// To be called before it gets its name.
    pub(crate) fn begin(&self, kind: Kind, hex: &str) -> Result<(), ImageError> {
        // Each its own: a note that is about to be taken away does not speak of what
        // was removed and has come again since.
        let name = format!("{}.{}.{hex}.{}", self.boot, kind.word(), random_name());
        let note = self.dir.join(name);
        File::create(&note).map_err(ImageError::file("make", note)).map(drop)
    }

    /// Names of what an earlier boot left unsettled. The notes stay until the next
    /// [`Settling::settle`], since removing what they name is not settled either.
    pub(crate) fn lost(&self, kind: Kind) -> Result<Vec<String>, ImageError> {
        let notes = self.notes()?.into_iter().filter_map(|note| {
            let name = note.file_name()?.to_str()?.to_owned();
            let mut parts = name.split('.');
            let (boot, word, hex) = (parts.next()?, parts.next()?, parts.next()?);
            // Nothing else is ever named so, and nothing else may be reached through it.
            let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            (boot != self.boot && word == kind.word() && is_hex).then(|| hex.to_owned())
        });
        Ok(notes.collect())
    }

    /// Has [`Settling::settle`] done by a thread of its own, after what is noted is on the
    /// disk: a host that goes down meanwhile does not forget the notes.
    pub(crate) fn settle_soon(&self, place: &Path) -> Result<(), ImageError> {
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(ImageError::file("sync", &self.dir))?;
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if *work != Work::None {
            *work = Work::Again;
            return Ok(());
        }
        let (settling, place) = (self.clone(), place.to_owned());
        let begun = thread::Builder::new()
            .name("settle".to_owned())
            .spawn(move || settling.settle_until_done(&place));
        if begun.is_ok() {
            *work = Work::UnderWay;
        }
        // Else with the next, or at the next start.
        Ok(())
    }

    fn settle_until_done(&self, place: &Path) {
        loop {
            if let Err(error) = self.settle(place) {
                tracing::warn!(%error, "what was brought is not on the disk for sure yet");
            }
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            if *work != Work::Again {
                *work = Work::None;
                return;
            }
            *work = Work::UnderWay;
        }
    }

    /// Brings everything of the file system that holds `place` to the disk. Blocks.
    pub(crate) fn settle(&self, place: &Path) -> Result<(), ImageError> {
        // What is noted from here on is not covered by what follows.
        let notes = self.notes()?;
        if notes.is_empty() {
            return Ok(());
        }
        sys::unpack::sync_file_system(place).map_err(ImageError::file("sync", place))?;
        for note in notes {
            match fs::remove_file(&note) {
                // Another settled it too.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageError::file("remove", note)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn notes(&self) -> Result<Vec<PathBuf>, ImageError> {
        let entries = fs::read_dir(&self.dir).map_err(ImageError::file("read", &self.dir))?;
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(ImageError::file("read", &self.dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_boot_left_unsettled_is_lost_and_what_this_one_did_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let settling = Settling::open(&dir.path().join("unsettled")).unwrap();
        settling.begin(Kind::Blob, "aa").unwrap();
        assert!(settling.lost(Kind::Blob).unwrap().is_empty());
        let later = Settling {
            boot: "another".to_owned(),
            ..settling.clone()
        };
        assert_eq!(later.lost(Kind::Blob).unwrap(), ["aa"]);
        assert!(later.lost(Kind::Snapshot).unwrap().is_empty());
        settling.settle(dir.path()).unwrap();
        assert!(later.lost(Kind::Blob).unwrap().is_empty());
    }

    #[test]
    fn what_is_settled_soon_is_settled_without_another_call() {
        let dir = tempfile::tempdir().unwrap();
        let settling = Settling::open(&dir.path().join("unsettled")).unwrap();
        for hex in ["aa", "bb", "cc"] {
            settling.begin(Kind::Snapshot, hex).unwrap();
            settling.settle_soon(dir.path()).unwrap();
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !settling.notes().unwrap().is_empty() {
            assert!(std::time::Instant::now() < end, "it is not settled");
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
