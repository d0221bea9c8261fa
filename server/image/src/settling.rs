//! What has its name, and may not be on disk yet.
//!
//! Syncing every file as it comes would make a pull wait for the disk again and again.
//! So a blob or a snapshot is first noted here, then named; one syncfs(2) for all of
//! them precedes the telling of an image, and takes the notes away. A host that goes
//! down in between leaves notes of another boot, and what they name is not believed.
//! A process that ends leaves the kernel's memory as it is: notes of this boot are
//! believed, and settled with the next.

use crate::ImageError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Settling {
    dir: PathBuf,
    boot: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Snapshot,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Snapshot => "snapshot",
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
        })
    }

    /// To be called before it gets its name.
    pub(crate) fn begin(&self, kind: Kind, hex: &str) -> Result<(), ImageError> {
        let note = self.dir.join(format!("{}.{}.{hex}", self.boot, kind.word()));
        File::create(&note).map_err(ImageError::file("make", note)).map(drop)
    }

    /// Names of what an earlier boot left unsettled. The notes stay until the next
    /// [`Settling::settle`], since removing what they name is not settled either.
    pub(crate) fn lost(&self, kind: Kind) -> Result<Vec<String>, ImageError> {
        let notes = self.notes()?.into_iter().filter_map(|note| {
            let name = note.file_name()?.to_str()?.to_owned();
            let mut parts = name.splitn(3, '.');
            let (boot, word, hex) = (parts.next()?, parts.next()?, parts.next()?);
            // Nothing else is ever named so, and nothing else may be reached through it.
            let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            (boot != self.boot && word == kind.word() && is_hex).then(|| hex.to_owned())
        });
        Ok(notes.collect())
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
}
