//! Images made here: layers out of the writable layers of containers, and images out
//! of layers.

use crate::config::{self, document::Document};
use crate::content::Ingest;
use crate::layer::{Changes, Packed, Packing, WrittenTree, chain_ids, pack, pack_tree};
use crate::manifest::{Descriptor, Manifest};
use crate::{Image, ImageError, Layer, Store, manifest};
use model::Timestamp;
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Of a tar without entries: two blocks of zeros.
const EMPTY_DIFF_ID: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// How [`Store::commit_layer`] packs.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    pub packing: Packing,
    /// Later times of files become this one: with it, the same changes give the same
    /// layer (`SOURCE_DATE_EPOCH`).
    pub latest: Option<Timestamp>,
    /// Paths in the container on which something was mounted: the empty files and
    /// directories made for that are no changes.
    pub mount_points: Vec<PathBuf>,
    /// Takes a writable layer away as the layer's own instead of unpacking the layer anew.
    /// For those that nothing needs afterwards; on the store's file system.
    pub adopt: bool,
}

/// What a layer is made of.
#[derive(Debug, Clone)]
pub enum Written {
    /// The writable layer of an overlay on the layers below.
    Upper(PathBuf),
    Tree(WrittenTree),
}

impl Layer {
    /// Whether it changes nothing; histories mark such steps `empty_layer`.
    pub fn is_empty(&self) -> bool {
        self.diff_id.as_str() == EMPTY_DIFF_ID
    }
}

/// Ends writing when it is cancelled: one file of a layer may take minutes.
struct Stopped<'a, W> {
    to: W,
    cancel: &'a CancellationToken,
}

impl<W: Write> Write for Stopped<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Store {
    /// Makes a layer on `parents` (lowest first) of what was written: whiteouts, opaque directories, owners, modes, times,
    /// extended attributes, hard links and holes as they are; sockets are left out. The
    /// layer is kept as a blob and unpacked. The same changes give the same layer.
    /// Blocks; one who holds no lease may see it collected.
    pub fn commit_layer(
        &self,
        written: &Written,
        parents: &[Layer],
        options: &CommitOptions,
        cancel: &CancellationToken,
    ) -> Result<Layer, ImageError> {
        let latest_s = options
            .latest
            .map(|time| time.as_unix_nanos().div_euclid(1_000_000_000));
        let mut packing = LayerWriter::begin(self, options.packing)?;
        let interrupted = |error| {
            if cancel.is_cancelled() {
                ImageError::Cancelled
            } else {
                error
            }
        };
        let unpacked_bytes = match written {
            Written::Upper(upper) => {
                let chain: Vec<Digest> = parents.iter().map(|layer| layer.chain_id.clone()).collect();
                let changes = Changes {
                    upper,
                    lower: &self.chain_paths(&chain),
                    mount_points: &options.mount_points,
                    latest_s,
                    tidy: options.adopt,
                };
                pack(
                    changes,
                    Stopped {
                        to: &mut packing,
                        cancel,
                    },
                    cancel,
                )
                .map_err(interrupted)?
                .1
            }
            Written::Tree(tree) => {
                let to = Stopped {
                    to: &mut packing,
                    cancel,
                };
                pack_tree(tree, &options.mount_points, latest_s, to, cancel)
                    .map_err(interrupted)?
                    .1
            }
        };
        let (digest, diff_id, size_bytes) = packing.commit(self)?;
        let mut diff_ids: Vec<Digest> = parents.iter().map(|layer| layer.diff_id.clone()).collect();
        diff_ids.push(diff_id.clone());
        let chain_id = chain_ids(&diff_ids).pop().unwrap_or_else(|| diff_id.clone());
        if self.unpacked_bytes(&chain_id).is_none() {
            if let (true, Written::Upper(upper)) = (options.adopt, written) {
                self.adopt_snapshot(upper, unpacked_bytes, &chain_id)?;
            } else {
                let packed = self.content.open_blob(&digest)?;
                self.unpack_layer(&digest, packed, size_bytes, &diff_id, &chain_id, cancel)?;
            }
        }
        Ok(Layer {
            digest,
            diff_id,
            chain_id,
            size_bytes,
            unpacked_bytes,
        })
    }

    /// Makes an image of layers that are here, lowest first, and of a configuration
    /// whose list of layers is written anew. Blocks.
    pub fn commit_image(&self, document: &Document, layers: &[Layer]) -> Result<Image, ImageError> {
        let mut document = document.clone();
        "layers".clone_into(&mut document.rootfs.kind);
        document.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let json =
            serde_json::to_vec(&document).map_err(|error| ImageError::malformed("the image's configuration", error))?;
        let parsed = config::parse(&json)?;
        let id = self.content.put(&json)?;
        let manifest = Manifest {
            config: Descriptor {
                digest: id.clone(),
                size: json.len() as u64,
            },
            layers: layers
                .iter()
                .map(|layer| Descriptor {
                    digest: layer.digest.clone(),
                    size: layer.size_bytes,
                })
                .collect(),
        };
        let manifest = self.put_manifest(&manifest)?;
        self.content.settle_soon()?;
        Ok(Image {
            id,
            manifest,
            config: parsed.config,
            created: parsed.created,
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            layers: layers.to_vec(),
        })
    }

    /// The configuration of an image, whole, to build on.
    pub fn document(&self, id: &Digest) -> Result<Document, ImageError> {
        serde_json::from_slice(&self.content.read(id)?)
            .map_err(|error| ImageError::malformed("the image's configuration", error))
    }

    /// Keeps the manifest an image has that came without one.
    pub(crate) fn put_manifest(&self, manifest: &Manifest) -> Result<Digest, ImageError> {
        self.content.put(&self.write_manifest(manifest)?)
    }

    /// A manifest of the form of the image specification.
    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<Vec<u8>, ImageError> {
        let layers = manifest.layers.iter().map(|layer| {
            Ok(serde_json::json!({
                "mediaType": self.packing_of(&layer.digest)?.media_type(),
                "digest": layer.digest.as_str(),
                "size": layer.size,
            }))
        });
        let json = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": manifest::OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": manifest.config.digest.as_str(),
                "size": manifest.config.size,
            },
            "layers": layers.collect::<Result<Vec<_>, ImageError>>()?,
        });
        Ok(json.to_string().into_bytes())
    }

    /// How a layer here is packed.
    pub fn packing_of(&self, layer: &Digest) -> Result<Packing, ImageError> {
        use io::Read as _;
        let mut head = Vec::with_capacity(4);
        let blob = self.content.open_blob(layer)?;
        blob.take(4).read_to_end(&mut head).map_err(ImageError::Read)?;
        Ok(Packing::of(&head))
    }
}

/// A layer being written: hashed, packed, hashed again.
pub(crate) struct LayerWriter {
    hash: Sha256,
    packed: Packed<BufWriter<IngestWriter>>,
}

impl LayerWriter {
    pub(crate) fn begin(store: &Store, packing: Packing) -> Result<Self, ImageError> {
        let ingest = IngestWriter(store.content.begin()?);
        let to = BufWriter::with_capacity(256 << 10, ingest);
        Ok(Self {
            hash: Sha256::new(),
            packed: Packed::new(packing, to).map_err(ImageError::Read)?,
        })
    }

    /// The digest as packed, the diff id, and the size as packed.
    pub(crate) fn commit(self, store: &Store) -> Result<(Digest, Digest, u64), ImageError> {
        let at = || ImageError::file("write", "a new layer");
        let to = self.packed.finish().map_err(at())?;
        let ingest = to.into_inner().map_err(|error| at()(error.into_error()))?.0;
        let (digest, size) = ingest.commit(&store.content, None, "a layer")?;
        Ok((digest, Digest::from_sha256(self.hash.finalize().into()), size))
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packed.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.packed.flush()
    }
}

/// An ingest as something that is written to.
pub(crate) struct IngestWriter(pub(crate) Ingest);

impl Write for IngestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| match error {
            ImageError::File { source, .. } => source,
            other => io::Error::other(other),
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
