//! Images on this host: fetched from registries and archives, checked, unpacked.
//!
//! ```text
//! content/blobs/sha256/<hex>   verified, never changed      content/ingest/<random>   not yet verified
//!                                                            content/unsettled/        named, maybe not on disk yet
//! content/referrers/<hex>      artifacts kept with the image of that manifest
//! snapshots/<chain hex>/fs     an unpacked layer            snapshots/.new-<random>/  being unpacked
//! roots/<chain hex>            layers as one tree, where no overlay shows them so
//! ```
//!
//! What can be seen is complete: bytes are hashed while they are written, and only
//! what has the promised digest and size gets its name. What is half made is swept
//! at the next [`Store::open`], and so is what was named and perhaps not on disk yet
//! when the host went down. The crate knows no container and no database: which
//! image is known by which name, and what must be kept, is the engine's.
#![forbid(unsafe_code)]

mod archive;
mod commit;
mod config;
mod content;
mod disk_size;
mod download;
mod error;
mod facts;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod growth;
mod layer;
mod manifest;
mod platform;
mod progress;
mod pull;
mod push;
mod referrers;
mod registry;
mod roots;
mod settling;
mod stack;
mod store;
mod verify;

pub use archive::import::ImportOptions;
pub use archive::save::ArchiveFormat;
pub use commit::{CommitOptions, Written};
pub use config::document;
pub use config::{History, ParsedConfig};
pub use download::Downloaded;
pub use error::ImageError;
pub use facts::files::{LayerChange, LayerFile, Waste};
pub use facts::sbom::{Package, PackageKind, SbomFormat};
pub use layer::{
    Bounded, ChangeKind, Headers, Heading, Limits, Packing, Unpacked, WrittenTree, changes, changes_of_tree, extract,
    is_tar, write_children, write_entry, write_tree,
};
pub use platform::Platform;
pub use progress::{LayerProgress, LayerState, Phase, Progress};
pub use pull::{Mirror, PullOptions, Pulled};
pub use push::{PushOptions, Pushed};
pub use referrers::Referrer;
pub use registry::{Login, Patience, Reach, Welcome};
pub use roots::RootForm;
pub use store::{Collected, Store};
pub use verify::{Damage, Damaged, Verified};

use model::Timestamp;
use model::image::{Digest, ImageConfig};

/// An image whose layers are all unpacked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of the config.
    pub id: Digest,
    pub manifest: Digest,
    pub config: ImageConfig,
    /// When it was built, where the config says so.
    pub created: Option<Timestamp>,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// All layers as the registry sent them.
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of the bytes as they came.
    pub digest: Digest,
    /// Of the bytes unpacked: image-spec, config.md, "Layer DiffID".
    pub diff_id: Digest,
    /// Of this layer on those below: image-spec, config.md, "Layer ChainID".
    pub chain_id: Digest,
    /// As they came.
    pub size_bytes: u64,
    /// Files of the unpacked layer.
    pub unpacked_bytes: u64,
}
