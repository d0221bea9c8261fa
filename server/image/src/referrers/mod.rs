//! Artifacts that refer to an image: signatures, lists of what is in it, attestations.
//! They are kept with it and go with it.
//!
//! image-spec, manifest.md, "subject"; distribution-spec, "Listing Referrers" and
//! "Referrers Tag Schema"; and the tags that cosign gave before there was either.
//!
//! ```text
//! content/referrers/<manifest hex>   of an image: which artifacts are kept with it
//! ```

mod fetch;
mod send;

use crate::content::{Content, random_name};
use crate::manifest::artifact::{self, Artifact};
use crate::{ImageError, Store};
use model::image::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// What cosign puts behind `sha256-<hex>`: a signature, an attestation, a list of packages.
pub(crate) const SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

/// An artifact that refers to an image, as it is kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub manifest: Digest,
    /// What it refers to: the image's manifest, or the index that the image was named by.
    pub subject: Digest,
    /// A media type; what it is.
    pub artifact_type: String,
    pub annotations: BTreeMap<String, String>,
    /// Of its manifest and all its blobs.
    pub size_bytes: u64,
    /// Its tag in the registry, where only that tells what it refers to.
    pub tag: Option<String>,
}

/// As it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    manifest: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

impl Store {
    /// Artifacts kept with the image of this manifest, as they were found. What lacks a
    /// part is not told of.
    pub fn referrers(&self, manifest: &Digest) -> Result<Vec<Referrer>, ImageError> {
        let mut referrers = Vec::new();
        for kept in read(&self.content, manifest)? {
            let (Ok(digest), Ok(subject)) = (Digest::parse(&kept.manifest), Digest::parse(&kept.subject)) else {
                continue;
            };
            let Some(artifact) = whole(&self.content, &digest)? else {
                continue;
            };
            referrers.push(Referrer {
                manifest: digest,
                subject,
                size_bytes: artifact.bytes + artifact.blobs.iter().map(|blob| blob.size).sum::<u64>(),
                artifact_type: artifact.kind,
                annotations: artifact.annotations,
                tag: kept.tag,
            });
        }
        Ok(referrers)
    }

    /// Every blob that is here for an image's artifacts.
    pub fn blobs_of_referrers(&self, manifest: &Digest) -> Result<Vec<Digest>, ImageError> {
        let mut blobs = Vec::new();
        for kept in read(&self.content, manifest)? {
            let Ok(digest) = Digest::parse(&kept.manifest) else {
                continue;
            };
            if let Some(artifact) = whole(&self.content, &digest)? {
                blobs.extend(artifact.blobs.into_iter().map(|blob| blob.digest));
                blobs.push(digest);
            }
        }
        Ok(blobs)
    }

    /// Forgets the artifacts of images that are not kept.
    pub(crate) fn forget_referrers(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), ImageError> {
        let dir = &self.content.referrers;
        for entry in fs::read_dir(dir).map_err(ImageError::file("read", dir))? {
            let entry = entry.map_err(ImageError::file("read", dir))?;
            if !entry.file_name().to_str().is_some_and(&is_kept) {
                fs::remove_file(entry.path()).map_err(ImageError::file("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}

/// An artifact whose manifest and blobs are all here.
fn whole(content: &Content, digest: &Digest) -> Result<Option<Artifact>, ImageError> {
    if !content.has(digest) {
        return Ok(None);
    }
    let artifact = artifact::parse(&content.read(digest)?)?;
    Ok(artifact
        .blobs
        .iter()
        .all(|blob| content.has(&blob.digest))
        .then_some(artifact))
}

fn path(content: &Content, manifest: &Digest) -> PathBuf {
    content.referrers.join(manifest.hex())
}

fn read(content: &Content, manifest: &Digest) -> Result<Vec<Kept>, ImageError> {
    let path = path(content, manifest);
    match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json)
            .map_err(|error| ImageError::file("read", path)(io::Error::new(io::ErrorKind::InvalidData, error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ImageError::file("read", path)(error)),
    }
}

/// In place of what was known before.
fn write(content: &Content, manifest: &Digest, kept: &[Kept]) -> Result<(), ImageError> {
    let path = path(content, manifest);
    let new = content.ingest.join(random_name());
    let json = serde_json::to_vec(kept).map_err(|error| ImageError::malformed("the list of artifacts", error))?;
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&json)?;
        file.sync_all()
    });
    written.map_err(ImageError::file("write", &new))?;
    fs::rename(&new, &path).map_err(ImageError::file("name", path))
}
