//! Images: brought here, named, shown, removed.
//!
//! The image store has the bytes, the database which image is known by which name.
//! A lease is held by whoever brings an image or makes a container of one; what no
//! row needs is collected only while nobody holds any.

pub(crate) mod bring;
pub(crate) mod commit;
mod lookup;
pub(crate) mod prune;
mod remove;
mod save;
pub(crate) mod tree;
mod verify;
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
