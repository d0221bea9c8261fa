//! Files that one process at a time holds. flock(2)

use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens `path`, making it if need be, and locks it until the file is closed;
/// `None` when another holds it. The lock goes with the last descriptor of it,
/// also when its process is killed.
pub fn try_hold(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
}
