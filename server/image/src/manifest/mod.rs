//! Manifests and indexes: image-spec, manifest.md and image-index.md, and the
//! older Docker forms of the same.

pub(crate) mod artifact;

use crate::{ImageError, Platform};
use model::image::{Digest, Reference};
use serde::Deserialize;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The most bytes of a manifest, an index or a configuration.
pub(crate) const DOCUMENT_LIMIT_BYTES: u64 = 4 << 20;
/// An overlay takes this many layers.
const MOST_LAYERS: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    /// Lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

/// What a name led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Vec<(Descriptor, Platform)>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<DescriptorForm>,
    layers: Option<Vec<DescriptorForm>>,
    manifests: Option<Vec<DescriptorForm>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorForm {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: i64,
    platform: Option<PlatformForm>,
}

#[derive(Deserialize, Default)]
struct PlatformForm {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
}

/// Reads either; `announced` is the media type it came with, if any.
///
/// # Errors
/// A document that is both (CVE-2021-41190), or says to be another than it came as.
pub(crate) fn parse(json: &[u8], announced: Option<&str>) -> Result<Document, ImageError> {
    const WHAT: &str = "the manifest";
    let form: Form = serde_json::from_slice(json).map_err(|error| ImageError::malformed(WHAT, error))?;
    if form.schema_version.is_some_and(|version| version != 2) {
        return Err(ImageError::malformed(
            WHAT,
            "it is of a schema older than 2; push the image again",
        ));
    }
    if let (Some(own), Some(announced)) = (&form.media_type, announced)
        && is_known(announced)
        && own != announced
    {
        return Err(ImageError::malformed(
            WHAT,
            format!("it came as `{announced}` and says it is `{own}`"),
        ));
    }
    match (form.manifests, form.layers, form.config) {
        (Some(manifests), None, None) => {
            let entries = manifests
                .into_iter()
                // Attestations and the like have no platform to run on.
                .filter(|entry| entry.media_type.is_empty() || is_known(&entry.media_type))
                .map(|entry| {
                    let platform = entry.platform.as_ref().map(platform).unwrap_or_default();
                    Ok((descriptor(&entry)?, platform))
                })
                .collect::<Result<_, ImageError>>()?;
            Ok(Document::Index(entries))
        }
        (None, layers, Some(config)) => {
            let layers = layers.unwrap_or_default();
            if layers.len() > MOST_LAYERS {
                return Err(ImageError::malformed(
                    WHAT,
                    format!("it has {} layers; {MOST_LAYERS} are the most", layers.len()),
                ));
            }
            if let Some(foreign) = layers.iter().find(|layer| !is_layer(&layer.media_type)) {
                return Err(ImageError::MediaType(foreign.media_type.clone()));
            }
            Ok(Document::Manifest(Manifest {
                config: descriptor(&config)?,
                layers: layers.iter().map(descriptor).collect::<Result<_, _>>()?,
            }))
        }
        (Some(_), _, _) => Err(ImageError::malformed(WHAT, "it is an index and a manifest at once")),
        (None, _, None) => Err(ImageError::malformed(WHAT, "it names no configuration")),
    }
}

/// As what a manifest is sent: what it says itself, else the one that need not say it.
pub(crate) fn media_type(json: &[u8]) -> Result<String, ImageError> {
    let form: Form = serde_json::from_slice(json).map_err(|error| ImageError::malformed("the manifest", error))?;
    Ok(form.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned()))
}

/// The layers of a manifest and what it says they are.
pub(crate) fn layer_media_types(json: &[u8]) -> Result<Vec<(Digest, String)>, ImageError> {
    let form: Form = serde_json::from_slice(json).map_err(|error| ImageError::malformed("the manifest", error))?;
    let layers = form.layers.unwrap_or_default().into_iter();
    layers
        .map(|layer| Ok((descriptor(&layer)?.digest, layer.media_type)))
        .collect()
}

fn descriptor(form: &DescriptorForm) -> Result<Descriptor, ImageError> {
    Ok(Descriptor {
        digest: Digest::parse(&form.digest).map_err(|error| ImageError::malformed("the manifest", error))?,
        size: u64::try_from(form.size).map_err(|_| ImageError::malformed("the manifest", "a size is negative"))?,
    })
}

fn platform(form: &PlatformForm) -> Platform {
    Platform {
        os: form.os.clone(),
        architecture: form.architecture.clone(),
        variant: form.variant.clone(),
    }
}

fn is_known(media_type: &str) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&media_type)
}

/// What is packed in it is told from its first bytes; encrypted and foreign ones are not for us.
fn is_layer(media_type: &str) -> bool {
    media_type.is_empty()
        || [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
        ]
        .contains(&media_type)
}

/// The entry of an index that runs here.
pub(crate) fn choose(
    reference: &Reference,
    entries: &[(Descriptor, Platform)],
    wanted: &Platform,
) -> Result<Descriptor, ImageError> {
    let mut fitting: Vec<&(Descriptor, Platform)> =
        entries.iter().filter(|(_, platform)| platform.fits(wanted)).collect();
    // The same variant before none.
    fitting.sort_by_key(|(_, platform)| platform.variant != wanted.variant);
    match (fitting.first(), entries) {
        (Some((descriptor, _)), _) => Ok(descriptor.clone()),
        // An index of one that does not say what it is for.
        (None, [(descriptor, platform)]) if *platform == Platform::default() => Ok(descriptor.clone()),
        (None, _) => {
            let mut available: Vec<String> = entries.iter().map(|(_, platform)| platform.to_string()).collect();
            available.dedup();
            Err(ImageError::Platform {
                reference: reference.short(),
                platform: wanted.to_string(),
                available: available.join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn amd64() -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: String::new(),
        }
    }

    #[test]
    fn the_platform_of_this_host_is_chosen_from_an_index() {
        let json = format!(
            r#"{{"schemaVersion":2,"manifests":[
              {{"digest":"{A}","size":1,"platform":{{"os":"linux","architecture":"arm64"}}}},
              {{"digest":"{B}","size":2,"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#
        );
        let Document::Index(entries) = parse(json.as_bytes(), Some(OCI_INDEX)).unwrap() else {
            panic!("an index")
        };
        let reference = Reference::parse("busybox").unwrap();
        assert_eq!(choose(&reference, &entries, &amd64()).unwrap().digest.as_str(), B);
        let other = Platform {
            architecture: "s390x".to_owned(),
            ..amd64()
        };
        let error = choose(&reference, &entries, &other).unwrap_err();
        assert!(error.to_string().contains("linux/arm64"), "{error}");
    }

    #[test]
    fn a_document_that_is_both_is_refused() {
        let json = format!(r#"{{"schemaVersion":2,"manifests":[],"config":{{"digest":"{A}","size":1}},"layers":[]}}"#);
        assert!(parse(json.as_bytes(), None).is_err());
    }

    #[test]
    fn a_document_that_came_as_another_is_refused() {
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{{"digest":"{A}","size":1}},"layers":[]}}"#
        );
        assert!(parse(json.as_bytes(), Some(OCI_MANIFEST)).is_err());
    }
}
