//! Snapshots of btrfs: an image's root is a subvolume, a container's files another that
//! shares all with it that was not changed.

use super::tree::Maker;
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Subvolumes;

impl Maker for Subvolumes {
    fn make(&self, root: &Path, to: &Path) -> io::Result<()> {
        sys::btrfs::snapshot(root, to)
    }

    fn shares(&self) -> bool {
        true
    }
}
