//! Images: brought here, named, shown, removed.
//!
//! The image store has the bytes, the database which image is known by which name.
//! A lease is held by whoever brings an image or makes a container of one; what no
//! row needs is collected only while nobody holds any.

mod bring;
mod lookup;
mod remove;
pub(crate) mod view;

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

impl Leases {
    pub(crate) async fn hold(&self) -> Lease {
        Lease {
            _held: self.lock.clone().read_owned().await,
        }
    }

    /// `None` while somebody holds a lease: then that one's end collects.
    fn none_held(&self) -> Option<OwnedRwLockWriteGuard<()>> {
        self.lock.clone().try_write_owned().ok()
    }
}
