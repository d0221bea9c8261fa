//! Plain copies, for file systems that have nothing better. Where they can share blocks,
//! files do.

use super::tree::Maker;
use std::fs::{self, File};
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Copies {
    shares: bool,
}

impl Copies {
    pub(super) fn in_dir(data: &Path) -> Self {
        Self {
            shares: sys::copy_tree::can_clone_in(data).unwrap_or(false),
        }
    }
}

impl Maker for Copies {
    fn make(&self, root: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir(to)?;
        sys::copy_tree::copy_into(File::open(root)?, File::open(to)?)?;
        // Once seen it must be whole, also after a crash of the host: names are on the disk
        // before what was written is.
        sys::unpack::sync_file_system(to)
    }

    fn shares(&self) -> bool {
        self.shares
    }
}
