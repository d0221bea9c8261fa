use model::Timestamp;
use model::container::ContainerId;
use model::image::{Digest, ImageConfig, Reference};

/// An image on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of the config.
    pub id: Digest,
    pub manifest: Digest,
    pub tags: Vec<Reference>,
    /// What it was brought or sent as.
    pub digests: Vec<Reference>,
    /// When it was built, where the config says so.
    pub created: Option<Timestamp>,
    /// When it came to this host.
    pub added: Timestamp,
    /// As the registry has it, compressed.
    pub size_bytes: u64,
    /// Lowest first.
    pub layers: Vec<Layer>,
    pub config: ImageConfig,
    /// Containers made from it.
    pub containers: Vec<ContainerId>,
}

impl Image {
    /// On this host's disk, shared layers counted whole.
    pub fn unpacked_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.unpacked_bytes).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub digest: Digest,
    pub diff_id: Digest,
    pub chain_id: Digest,
    pub size_bytes: u64,
    pub unpacked_bytes: u64,
}

/// What removing an image did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    pub untagged: Vec<Reference>,
    pub deleted: Vec<Digest>,
    /// On the disk.
    pub freed_bytes: u64,
}
