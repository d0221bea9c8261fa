//! Files in memory that nobody can change any more. memfd_create(2), fcntl(2) "File sealing".

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

const MOST_TRIES: u32 = 200;

/// A file in memory that holds `bytes`, sealed against writing and resizing, and
/// closed on exec. A program in it runs from `/proc/self/fd/N`; whoever reaches it
/// through `/proc/PID/exe` cannot write to it.
pub fn sealed_copy(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    let mut tries = 1;
    loop {
        match fcntl_add_seals(&file, seals) {
            Ok(()) => return Ok(file.into()),
            // On a busy host the kernel itself may still hold some of the pages just written.
            Err(Errno::BUSY) if tries < MOST_TRIES => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    }
}

/// An empty file in memory, closed on exec, that can be written.
pub fn scratch(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

/// Whether nobody can write to `file` any more.
pub fn is_sealed(file: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn a_sealed_copy_can_be_read_and_not_written() {
        let file = File::from(sealed_copy("test", b"program").unwrap());
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"program");
        assert_eq!(
            file.write_at(b"x", 0).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
        assert!(file.set_len(0).is_err());
    }
}
