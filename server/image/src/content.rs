//! Blobs: bytes by the digest of their content.

use crate::ImageError;
use crate::growth::{Follower, Growth};
use crate::manifest::Descriptor;
use crate::settling::{Kind, Settling};
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) struct Content {
    blobs: PathBuf,
    pub(crate) ingest: PathBuf,
    pub(crate) referrers: PathBuf,
    pub(crate) settling: Settling,
}

impl Content {
    /// Makes the directories; what an earlier run left half done is removed.
    pub(crate) fn open(dir: &Path) -> Result<Self, ImageError> {
        let content = Self {
            blobs: dir.join("blobs/sha256"),
            ingest: dir.join("ingest"),
            referrers: dir.join("referrers"),
            settling: Settling::open(&dir.join("unsettled"))?,
        };
        match fs::remove_dir_all(&content.ingest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ImageError::file("remove", &content.ingest)(error));
            }
            _ => {}
        }
        for dir in [&content.blobs, &content.ingest, &content.referrers] {
            fs::create_dir_all(dir).map_err(ImageError::file("make", dir))?;
        }
        for hex in content.settling.lost(Kind::Blob)? {
            let path = content.blobs.join(hex);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageError::file("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(content)
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let path = self.path(digest);
        fs::read(&path).map_err(ImageError::file("read", path))
    }

    /// Whether the bytes still are what their name says.
    pub(crate) fn is_whole(&self, digest: &Digest) -> Result<bool, ImageError> {
        let found = digest_of_file(self.open_blob(digest)?);
        Ok(found.map_err(ImageError::file("read", self.path(digest)))? == *digest)
    }

    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), ImageError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImageError::file("remove", path)(error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File, ImageError> {
        let path = self.path(digest);
        File::open(&path).map_err(ImageError::file("open", path))
    }

    /// Begins a blob that nobody sees before [`Ingest::commit`].
    pub(crate) fn begin(&self) -> Result<Ingest, ImageError> {
        let path = self.ingest.join(random_name());
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(ImageError::file("make", &path))?;
        Ok(Ingest {
            path,
            file: Some(file),
            hash: Some(Sha256::new()),
            bytes: 0,
        })
    }

    /// The same for bytes that somebody else hashes: to be named by [`Ingest::commit_as`].
    pub(crate) fn begin_unhashed(&self) -> Result<Ingest, ImageError> {
        let mut ingest = self.begin()?;
        ingest.hash = None;
        Ok(ingest)
    }

    /// Keeps a small document under the digest it has.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let mut ingest = self.begin()?;
        ingest.write(bytes)?;
        ingest.commit(self, None, "a document").map(|(digest, _)| digest)
    }

    /// Everything written is on disk when this returns. Blocks.
    pub(crate) fn settle(&self) -> Result<(), ImageError> {
        self.settling.settle(&self.blobs)
    }

    /// Everything written is on disk soon; asked before an image is told of.
    pub(crate) fn settle_soon(&self) -> Result<(), ImageError> {
        self.settling.settle_soon(&self.blobs)
    }

    pub(crate) fn list(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        let mut blobs = Vec::new();
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(digest) = name
                .to_str()
                .and_then(|hex| Digest::parse(&format!("sha256:{hex}")).ok())
            {
                blobs.push((digest, entry.path()));
            }
        }
        Ok(blobs)
    }
}

/// Bytes being written, as a rule hashed on the way. Dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Ingest {
    path: PathBuf,
    file: Option<File>,
    hash: Option<Sha256>,
    bytes: u64,
}

impl Ingest {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(bytes).map_err(ImageError::file("write", &self.path))?;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Reads the bytes while they are written.
    pub(crate) fn follow(&self, growth: Arc<Growth>) -> Result<Follower, ImageError> {
        let file = File::open(&self.path).map_err(ImageError::file("open", &self.path))?;
        Ok(Follower::new(file, growth))
    }

    /// Gives the bytes their name if they are what `expected` promises. They are on
    /// disk for sure after [`Content::settle_soon`] did its work.
    pub(crate) fn commit(
        mut self,
        content: &Content,
        expected: Option<&Descriptor>,
        what: &'static str,
    ) -> Result<(Digest, u64), ImageError> {
        let found = self.digest()?;
        if let Some(expected) = expected {
            if expected.size != self.bytes {
                return Err(ImageError::Size {
                    what,
                    expected: expected.size,
                    found: self.bytes,
                });
            }
            if expected.digest != found {
                return Err(ImageError::Digest {
                    what,
                    expected: expected.digest.clone(),
                    found,
                });
            }
        }
        let bytes = self.bytes;
        self.commit_as(content, &found)?;
        Ok((found, bytes))
    }

    /// Gives the bytes the name that whoever read them found they have.
    pub(crate) fn commit_as(mut self, content: &Content, digest: &Digest) -> Result<(), ImageError> {
        self.file = None;
        let path = content.path(digest);
        // One that is settled must neither be noted again nor replaced.
        if path.exists() {
            return Ok(());
        }
        content.settling.begin(Kind::Blob, digest.hex())?;
        fs::rename(&self.path, &path).map_err(ImageError::file("name", path))
    }

    /// Of what was written so far; where nobody hashed it on the way, it is read for that.
    pub(crate) fn digest(&mut self) -> Result<Digest, ImageError> {
        match self.hash.take() {
            Some(hash) => Ok(Digest::from_sha256(hash.finalize().into())),
            None => File::open(&self.path)
                .and_then(digest_of_file)
                .map_err(ImageError::file("read", &self.path)),
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // Renamed away after a commit; else nobody wants it.
        let _ = fs::remove_file(&self.path);
    }
}

/// The name of these bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

fn digest_of_file(mut file: File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            return Ok(Digest::from_sha256(hash.finalize().into()));
        }
        hash.update(&buffer[..count]);
    }
}

/// A name nobody else has.
pub(crate) fn random_name() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // Each `RandomState` has keys of its own.
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_what_was_promised_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let content = Content::open(dir.path()).unwrap();
        let mut ingest = content.begin().unwrap();
        ingest.write(b"hello").unwrap();
        let promised = Descriptor {
            digest: Digest::from_sha256([0; 32]),
            size: 5,
        };
        let error = ingest.commit(&content, Some(&promised), "a layer").unwrap_err();
        assert!(matches!(error, ImageError::Digest { .. }));
        assert!(content.list().unwrap().is_empty());
        assert_eq!(fs::read_dir(dir.path().join("ingest")).unwrap().count(), 0);
    }

    #[test]
    fn a_document_is_found_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let content = Content::open(dir.path()).unwrap();
        let digest = content.put(b"hello").unwrap();
        assert!(digest.as_str().starts_with("sha256:2cf24dba5fb0a30e"));
        assert_eq!(content.read(&digest).unwrap(), b"hello");
    }
}
