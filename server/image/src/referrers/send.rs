//! Artifacts to where their image is sent.

use super::Referrer;
use super::fetch::fallback_tag;
use crate::ImageError;
use crate::manifest::OCI_INDEX;
use crate::manifest::artifact::{self, Artifact};
use crate::push::Push;
use crate::registry::Registry;
use model::image::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

impl Push<'_> {
    /// Sends what refers to the manifest that was pushed; what refers to an index that is
    /// not there stays here. Gives how many went.
    pub(crate) async fn send_referrers(&self, manifest: &Digest) -> Result<usize, ImageError> {
        let mut count = 0;
        for referrer in self.store.referrers(manifest)? {
            if referrer.subject == *manifest {
                self.send_referrer(&referrer).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn send_referrer(&self, referrer: &Referrer) -> Result<(), ImageError> {
        let json = self.store.content.read(&referrer.manifest)?;
        let artifact = artifact::parse(&json)?;
        for blob in &artifact.blobs {
            self.send_blob(blob).await?;
        }
        let name = referrer.tag.as_deref().unwrap_or(referrer.manifest.as_str());
        let media_type = artifact.media_type.as_str();
        let sending = self.registry.put_manifest(name, media_type, json, &referrer.manifest);
        let listed = self.unless_stopped(sending).await?;
        if artifact.subject.is_some() && !listed {
            self.unless_stopped(self.registry.list_by_tag(referrer, &artifact))
                .await?;
        }
        Ok(())
    }
}

impl Registry {
    /// Where the registry keeps no list of its own, whoever pushes keeps it:
    /// distribution-spec, "Pushing Manifests with Subject".
    async fn list_by_tag(&self, referrer: &Referrer, artifact: &Artifact) -> Result<(), ImageError> {
        let tag = fallback_tag(&referrer.subject);
        let known = self.find_document_at(&format!("manifests/{tag}"), OCI_INDEX).await?;
        let mut index: Value = match known {
            Some(json) => {
                serde_json::from_slice(&json).map_err(|error| ImageError::malformed("the list of artifacts", error))?
            }
            None => json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }),
        };
        let Some(listed) = index["manifests"].as_array_mut() else {
            return Err(ImageError::malformed(
                "the list of artifacts",
                format!("`{tag}` is no index"),
            ));
        };
        if listed.iter().any(|entry| entry["digest"] == referrer.manifest.as_str()) {
            return Ok(());
        }
        let mut entry = json!({
            "mediaType": artifact.media_type, "digest": referrer.manifest.as_str(),
            "size": artifact.bytes, "artifactType": artifact.kind,
        });
        if !artifact.annotations.is_empty() {
            entry["annotations"] = json!(artifact.annotations);
        }
        listed.push(entry);
        let json = index.to_string().into_bytes();
        let digest = Digest::from_sha256(Sha256::digest(&json).into());
        self.put_manifest(&tag, OCI_INDEX, json, &digest).await.map(drop)
    }
}
