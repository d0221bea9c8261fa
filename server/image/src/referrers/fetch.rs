//! Artifacts from where their image came from. An image is as good without them, so what
//! fails here is told and no more.

use super::{Kept, SUFFIXES, read, write};
use crate::manifest::artifact::{self, Artifact};
use crate::manifest::{DOCKER_MANIFEST, DOCUMENT_LIMIT_BYTES, Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::registry::{Pace, Registry};
use crate::{ImageError, Store};
use futures_util::{StreamExt as _, stream};
use model::image::Digest;
use sha2::{Digest as _, Sha256};

/// With one image.
const MOST: usize = 64;
/// Of all artifacts of one image together.
const MOST_BYTES: u64 = 64 << 20;
/// Asked at once.
const AT_ONCE: usize = 4;

impl Store {
    /// Brings what refers to the image of `manifest`, or to the index it was `named` by.
    /// What was kept of it before stays when the registry does not answer.
    pub(crate) async fn bring_referrers(
        &self,
        registry: &Registry,
        manifest: &Digest,
        named: &Digest,
    ) -> Result<(), ImageError> {
        let mut found = Vec::new();
        let subjects = if named == manifest {
            vec![manifest]
        } else {
            vec![manifest, named]
        };
        for subject in subjects {
            found.extend(self.list(registry, subject).await?);
        }
        let (mut kept, mut left) = (Vec::new(), MOST_BYTES);
        for one in found.into_iter().take(MOST) {
            match self.bring_artifact(registry, &one, &mut left).await {
                Ok(()) => kept.push(one.kept()),
                Err(error) => {
                    tracing::warn!(registry = registry.host(), artifact = one.name, %error, "an artifact of an image is left out");
                }
            }
        }
        if kept != read(&self.content, manifest)? {
            write(&self.content, manifest, &kept)?;
        }
        Ok(())
    }

    async fn list(&self, registry: &Registry, subject: &Digest) -> Result<Vec<Found>, ImageError> {
        let mut found: Vec<Found> = Vec::new();
        for digest in registry.referrers(subject).await? {
            if !found.iter().any(|known| known.name == digest.as_str()) {
                found.push(Found {
                    name: digest.to_string(),
                    digest: Some(digest),
                    subject: subject.clone(),
                    tag: None,
                    json: Vec::new(),
                });
            }
        }
        let tags = SUFFIXES.map(|suffix| format!("{}{suffix}", fallback_tag(subject)));
        let asked = tags.map(|tag| async {
            let json = registry.find_document(&tag, &accept()).await?;
            let found = json.map(|json| (Digest::from_sha256(Sha256::digest(&json).into()), json));
            // Nothing refers to itself.
            let found = found.filter(|(digest, _)| digest != subject);
            Ok::<_, ImageError>(found.map(|(digest, json)| Found {
                digest: Some(digest),
                name: tag.clone(),
                subject: subject.clone(),
                tag: Some(tag),
                json,
            }))
        });
        let mut asked = stream::iter(asked).buffered(AT_ONCE);
        while let Some(one) = asked.next().await {
            found.extend(one?);
        }
        Ok(found)
    }

    async fn bring_artifact(&self, registry: &Registry, one: &Found, left: &mut u64) -> Result<(), ImageError> {
        let json = if one.json.is_empty() {
            registry
                .manifest(&one.name, &accept(), DOCUMENT_LIMIT_BYTES)
                .await?
                .body
        } else {
            one.json.clone()
        };
        let found = Digest::from_sha256(Sha256::digest(&json).into());
        if let Some(expected) = one.digest.clone().filter(|expected| *expected != found) {
            return Err(ImageError::Digest {
                what: "an artifact's manifest",
                expected,
                found,
            });
        }
        let artifact = artifact::parse(&json)?;
        one.check(&artifact)?;
        let mut all = json.len() as u64;
        for blob in &artifact.blobs {
            all = all.saturating_add(blob.size);
        }
        *left = left.checked_sub(all).ok_or(ImageError::TooLarge {
            what: "what refers to the image",
            limit_bytes: MOST_BYTES,
        })?;
        for blob in &artifact.blobs {
            self.bring_small(registry, blob).await?;
        }
        self.content.put(&json).map(drop)
    }

    async fn bring_small(&self, registry: &Registry, blob: &Descriptor) -> Result<(), ImageError> {
        if self.content.has(&blob.digest) {
            return Ok(());
        }
        let (mut response, _) = registry.blob(&blob.digest, 0).await?;
        let mut ingest = self.content.begin()?;
        let mut pace = Pace::new(registry.patience());
        while let Some(chunk) = response.chunk().await.map_err(|error| registry.unreachable(&error))? {
            if ingest.bytes() + chunk.len() as u64 > blob.size {
                return Err(ImageError::TooLarge {
                    what: "a part of an artifact",
                    limit_bytes: blob.size,
                });
            }
            if !pace.holds(chunk.len()) {
                return Err(registry.too_slow());
            }
            ingest.write(&chunk)?;
        }
        ingest
            .commit(&self.content, Some(blob), "a part of an artifact")
            .map(drop)
    }
}

/// `sha256-<hex>`: distribution-spec, "Referrers Tag Schema".
pub(super) fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

pub(super) fn accept() -> String {
    [OCI_MANIFEST, DOCKER_MANIFEST].join(", ")
}

impl Registry {
    /// What the registry says refers to `subject`; by the tag where it keeps no list.
    pub(super) async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, ImageError> {
        let listed = self
            .find_document_at(&format!("referrers/{subject}"), OCI_INDEX)
            .await?;
        let json = match listed {
            Some(json) => Some(json),
            None => self.find_document(&fallback_tag(subject), OCI_INDEX).await?,
        };
        // Some answer with a page for people to what they do not know.
        Ok(json.and_then(|json| artifact::listed(&json).ok()).unwrap_or_default())
    }

    async fn find_document(&self, name: &str, accept: &str) -> Result<Option<Vec<u8>>, ImageError> {
        self.find_document_at(&format!("manifests/{name}"), accept).await
    }
}

/// One that may be brought.
#[derive(Debug)]
struct Found {
    /// By which it is asked for: its digest or a tag.
    name: String,
    digest: Option<Digest>,
    subject: Digest,
    tag: Option<String>,
    /// Where it came with the answer.
    json: Vec<u8>,
}

impl Found {
    fn kept(&self) -> Kept {
        Kept {
            manifest: self.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            subject: self.subject.to_string(),
            tag: self.tag.clone(),
        }
    }

    /// A list may say anything; the artifact itself says what it refers to.
    fn check(&self, artifact: &Artifact) -> Result<(), ImageError> {
        let by_itself = artifact.subject.as_ref() == Some(&self.subject);
        if by_itself || self.tag.is_some() {
            return Ok(());
        }
        Err(ImageError::malformed(
            "an artifact's manifest",
            "it refers to something else",
        ))
    }
}
