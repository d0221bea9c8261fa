//! Files and directories that one at a time holds. flock(2)

use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// A lock on an open file, until it is dropped or its process is killed.
#[derive(Debug)]
pub struct Held(File);

impl Held {
    /// Locks `file`; `None` when another holds it.
    pub fn try_take(file: File) -> io::Result<Option<Self>> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Held {
    /// Closing alone would not do: the lock belongs to the open file, and a child
    /// between fork and exec has that open as well.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Opens `path`, making it if need be, and locks it; `None` when another holds it.
pub fn try_hold(path: &Path) -> io::Result<Option<Held>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    Held::try_take(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_ask_does_not_get_the_lock_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_hold(&path).unwrap();
        assert!(held.is_some());
        assert!(try_hold(&path).unwrap().is_none());
        drop(held);
        assert!(try_hold(&path).unwrap().is_some());
    }

    #[test]
    fn who_lets_go_does_so_for_every_copy_of_the_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let open = || File::open(dir.path()).unwrap();
        let first = open();
        let as_a_child_has_it = first.try_clone().unwrap();
        drop(Held::try_take(first).unwrap());
        assert!(Held::try_take(open()).unwrap().is_some());
        drop(as_a_child_has_it);
    }
}
