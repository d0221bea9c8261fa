//! Manifests of what is no image to run: image-spec, manifest.md, "Guidelines for
//! Artifact Usage". Whatever its parts are, they are kept.

use super::{Descriptor, DescriptorForm, OCI_MANIFEST, descriptor};
use crate::ImageError;
use model::image::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;

const WHAT: &str = "an artifact's manifest";
/// A signature has one.
const MOST_BLOBS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    pub(crate) media_type: String,
    /// What it is: its own word, else that of its configuration.
    pub(crate) kind: String,
    pub(crate) subject: Option<Digest>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Configuration and layers.
    pub(crate) blobs: Vec<Descriptor>,
    /// Of the manifest.
    pub(crate) bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    media_type: Option<String>,
    artifact_type: Option<String>,
    subject: Option<DescriptorForm>,
    config: DescriptorForm,
    layers: Option<Vec<DescriptorForm>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct ListForm {
    manifests: Vec<DescriptorForm>,
}

pub(crate) fn parse(json: &[u8]) -> Result<Artifact, ImageError> {
    let form: Form = serde_json::from_slice(json).map_err(|error| ImageError::malformed(WHAT, error))?;
    let layers = form.layers.unwrap_or_default();
    if layers.len() > MOST_BLOBS {
        return Err(ImageError::malformed(
            WHAT,
            format!("it has more than {MOST_BLOBS} parts"),
        ));
    }
    let kind = form.artifact_type.filter(|text| !text.is_empty());
    let subject = form.subject.as_ref().map(descriptor).transpose()?;
    let mut blobs = vec![descriptor(&form.config)?];
    for layer in &layers {
        let layer = descriptor(layer)?;
        if !blobs.iter().any(|known| known.digest == layer.digest) {
            blobs.push(layer);
        }
    }
    Ok(Artifact {
        media_type: form.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned()),
        kind: kind.unwrap_or(form.config.media_type),
        subject: subject.map(|subject| subject.digest),
        annotations: form.annotations.unwrap_or_default(),
        blobs,
        bytes: json.len() as u64,
    })
}

/// The manifests of an index.
pub(crate) fn listed(json: &[u8]) -> Result<Vec<Digest>, ImageError> {
    let form: ListForm =
        serde_json::from_slice(json).map_err(|error| ImageError::malformed("the list of artifacts", error))?;
    form.manifests
        .iter()
        .map(|entry| Ok(descriptor(entry)?.digest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_says_what_it_is_or_its_configuration_does() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let json = |more: &str| {
            format!(
                r#"{{"schemaVersion":2,{more}"config":{{"mediaType":"application/x.config","digest":"{}","size":2}},
                "layers":[{{"mediaType":"text/plain","digest":"{}","size":3}},{{"digest":"{}","size":2}}],
                "subject":{{"digest":"{}","size":9}}}}"#,
                digest("a"),
                digest("b"),
                digest("a"),
                digest("c")
            )
        };
        let artifact = parse(json(r#""artifactType":"application/spdx+json","#).as_bytes()).unwrap();
        assert_eq!(artifact.kind, "application/spdx+json");
        assert_eq!(artifact.blobs.len(), 2, "each part once");
        assert_eq!(artifact.subject.unwrap().as_str(), digest("c"));
        assert_eq!(parse(json("").as_bytes()).unwrap().kind, "application/x.config");
        assert!(parse(br#"{"manifests":[]}"#).is_err());
    }
}
