use model::image::Digest;

/// How far it is: a value that is watched, so that a late reader sees the present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    pub phase: Phase,
    /// Lowest first; empty until the manifest is known.
    pub layers: Vec<LayerProgress>,
    pub bytes_done: u64,
    /// 0 until it is known.
    pub bytes_total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Asking what the name means.
    #[default]
    Resolving,
    Fetching,
    Sending,
    Extracting,
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProgress {
    pub digest: Digest,
    pub state: LayerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    Downloading {
        done: u64,
        total: u64,
    },
    /// On its way to a registry.
    Uploading {
        done: u64,
        total: u64,
    },
    Verifying,
    /// `done` of the packed bytes have been unpacked.
    Extracting {
        done: u64,
        total: u64,
    },
    Done,
    /// Unpacked before.
    AlreadyHere,
}
