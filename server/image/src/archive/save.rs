//! Images into a tar that every tool reads: an OCI image layout (image-spec,
//! image-layout.md) with the `manifest.json` of `docker save` beside it.

use crate::manifest::{self, OCI_INDEX, OCI_MANIFEST};
use crate::{Image, ImageError, Store};
use model::image::{Digest, Reference};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{self, Write};
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

/// What a saved archive is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArchiveFormat {
    /// For `docker load` of any age, and for all that read OCI layouts.
    #[default]
    Docker,
    /// An OCI layout alone, with manifests of that form.
    Oci,
}

/// What one image adds to the lists of the archive.
struct Listed {
    config: Digest,
    layers: Vec<Digest>,
    references: Vec<Reference>,
    /// Under which it stands in the index, its type and its bytes if they are made anew.
    manifest: Digest,
    media_type: String,
    manifest_bytes: Vec<u8>,
}

impl Store {
    /// Writes images with the names they are to have. What images share is written
    /// once; the same images give the same bytes. Blocks.
    pub fn save(
        &self,
        images: &[(Image, Vec<Reference>)],
        format: ArchiveFormat,
        to: impl Write,
        cancel: &CancellationToken,
    ) -> Result<(), ImageError> {
        let listed = images.iter();
        let listed = listed.map(|(image, references)| self.list_in_archive(image, references, format));
        let listed: Vec<Listed> = listed.collect::<Result<_, _>>()?;
        let mut tar = Builder::new(to);
        directory(&mut tar, "blobs")?;
        directory(&mut tar, "blobs/sha256")?;
        let mut written = HashSet::new();
        for image in &listed {
            if written.insert(image.manifest.clone()) {
                file(&mut tar, &blob_name(&image.manifest), &image.manifest_bytes)?;
            }
            for digest in std::iter::once(&image.config).chain(&image.layers) {
                if cancel.is_cancelled() {
                    return Err(ImageError::Cancelled);
                }
                if written.insert(digest.clone()) {
                    self.blob_into(&mut tar, digest)?;
                }
            }
        }
        file(&mut tar, "index.json", index(&listed).to_string().as_bytes())?;
        if format == ArchiveFormat::Docker {
            file(&mut tar, "manifest.json", saved(&listed).to_string().as_bytes())?;
        }
        file(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        tar.into_inner().and_then(|mut to| to.flush()).map_err(written_to)
    }

    fn list_in_archive(
        &self,
        image: &Image,
        references: &[Reference],
        format: ArchiveFormat,
    ) -> Result<Listed, ImageError> {
        let bytes = self.content.read(&image.manifest)?;
        let own: Value =
            serde_json::from_slice(&bytes).map_err(|error| ImageError::malformed("the manifest", error))?;
        let media_type = own["mediaType"].as_str().unwrap_or(OCI_MANIFEST).to_owned();
        let anew = format == ArchiveFormat::Oci && media_type != OCI_MANIFEST;
        let (manifest, media_type, manifest_bytes) = if anew {
            let bytes = self.manifest_of(image)?;
            (crate::content::digest_of(&bytes), OCI_MANIFEST.to_owned(), bytes)
        } else {
            (image.manifest.clone(), media_type, bytes)
        };
        Ok(Listed {
            config: image.id.clone(),
            layers: image.layers.iter().map(|layer| layer.digest.clone()).collect(),
            references: references.to_vec(),
            manifest,
            media_type,
            manifest_bytes,
        })
    }

    fn manifest_of(&self, image: &Image) -> Result<Vec<u8>, ImageError> {
        let config_bytes = self.content.read(&image.id)?.len() as u64;
        let layers = image.layers.iter();
        self.write_manifest(&manifest::Manifest {
            config: manifest::Descriptor {
                digest: image.id.clone(),
                size: config_bytes,
            },
            layers: layers
                .map(|layer| manifest::Descriptor {
                    digest: layer.digest.clone(),
                    size: layer.size_bytes,
                })
                .collect(),
        })
    }

    fn blob_into<W: Write>(&self, tar: &mut Builder<W>, digest: &Digest) -> Result<(), ImageError> {
        let blob = self.content.open_blob(digest)?;
        let bytes = blob
            .metadata()
            .map_err(ImageError::file("read", self.content.path(digest)))?
            .len();
        let header = header(&blob_name(digest), EntryType::Regular, bytes)?;
        tar.append(&header, blob).map_err(written_to)
    }
}

fn index(listed: &[Listed]) -> Value {
    let mut manifests = Vec::new();
    for image in listed {
        let entry = json!({
            "mediaType": image.media_type,
            "digest": image.manifest.as_str(),
            "size": image.manifest_bytes.len(),
        });
        for reference in &image.references {
            let mut entry = entry.clone();
            entry["annotations"] = json!({
                "io.containerd.image.name": reference.to_string(),
                "org.opencontainers.image.ref.name": reference.tag().unwrap_or("latest"),
            });
            manifests.push(entry);
        }
        if image.references.is_empty() {
            manifests.push(entry);
        }
    }
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests })
}

fn saved(listed: &[Listed]) -> Value {
    let image = |image: &Listed| {
        let tags: Vec<String> = image.references.iter().map(Reference::short).collect();
        let layers: Vec<String> = image.layers.iter().map(blob_name).collect();
        json!({
            "Config": blob_name(&image.config),
            "RepoTags": if tags.is_empty() { Value::Null } else { tags.into() },
            "Layers": layers,
        })
    };
    listed.iter().map(image).collect()
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn directory<W: Write>(tar: &mut Builder<W>, name: &str) -> Result<(), ImageError> {
    let header = header(&format!("{name}/"), EntryType::Directory, 0)?;
    tar.append(&header, io::empty()).map_err(written_to)
}

fn file<W: Write>(tar: &mut Builder<W>, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let header = header(name, EntryType::Regular, bytes.len() as u64)?;
    tar.append(&header, bytes).map_err(written_to)
}

/// Without owner and time: the same each time.
fn header(name: &str, kind: EntryType, bytes: u64) -> Result<Header, ImageError> {
    let mut header = Header::new_gnu();
    header.set_path(name).map_err(written_to)?;
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes);
    header.set_cksum();
    Ok(header)
}

fn written_to(error: io::Error) -> ImageError {
    ImageError::file("write", "the archive")(error)
}
