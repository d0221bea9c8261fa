//! Images: brought here, named, shown, removed.
//!
//! The image store has the bytes, the database which image is known by which name.
//! A lease is held by whoever brings an image or makes a container of one; what no
//! row needs is collected only while nobody holds any.

pub(crate) mod bring;
pub(crate) mod commit;
mod descendants;
mod facts;
pub(crate) mod ledger;
mod lookup;
pub(crate) mod lost;
pub(crate) mod prune;
mod push;
mod rate;
mod remove;
mod save;
pub(crate) mod template;
pub(crate) mod tree;
mod verify;
pub(crate) mod view;

use crate::error::{EngineError, Kind};
pub use bring::NewImport;
pub(crate) use bring::{check_new_name, kept, layer_row};
use image::ImageError;
pub use image::Login as RegistryLogin;

use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Keeps the collector away.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    lock: Arc<RwLock<()>>,
}

pub(crate) struct Lease {
    _held: OwnedRwLockReadGuard<()>,
}

/// Nobody holds a lease as long as this lives.
pub(crate) struct Alone {
    _held: OwnedRwLockWriteGuard<()>,
}

impl Leases {
    pub(crate) async fn hold(&self) -> Lease {
        Lease {
            _held: self.lock.clone().read_owned().await,
        }
    }

    /// `None` while somebody holds a lease: then that one's end collects.
    fn none_held(&self) -> Option<Alone> {
        let held = self.lock.clone().try_write_owned().ok();
        held.map(|held| Alone { _held: held })
    }

    /// Waits until nobody holds a lease, and lets nobody begin.
    async fn keep_out(&self) -> Alone {
        Alone {
            _held: self.lock.clone().write_owned().await,
        }
    }
}

fn kind_of(error: &ImageError) -> Kind {
    match error {
        ImageError::NotFound(_) | ImageError::Platform { .. } => Kind::NotFound,
        ImageError::Unauthorized { .. } => Kind::Unauthorized,
        ImageError::TooManyRequests(_)
        | ImageError::Unreachable { .. }
        | ImageError::TooSlow { .. }
        | ImageError::Answer { .. }
        | ImageError::Redirect { .. } => Kind::Unreachable,
        ImageError::Digest { .. }
        | ImageError::Size { .. }
        | ImageError::TooLarge { .. }
        | ImageError::Malformed { .. }
        | ImageError::MediaType(_)
        | ImageError::NoImage
        | ImageError::Missing(_)
        | ImageError::Read(_) => Kind::Invalid,
        ImageError::Unpack { .. } | ImageError::File { .. } | ImageError::Broken(_) => Kind::Failed,
        ImageError::Cancelled => Kind::Cancelled,
    }
}

pub(crate) fn failed(subject: &str, error: &ImageError) -> EngineError {
    if matches!(error, ImageError::Cancelled) {
        return EngineError::Cancelled(subject.to_owned());
    }
    EngineError::Image {
        reference: subject.to_owned(),
        kind: kind_of(error),
        reason: crate::error::show_causes(error),
    }
}
