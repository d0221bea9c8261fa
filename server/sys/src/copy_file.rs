//! The content of a file, by the cheapest way that its file system has: the same blocks
//! for both where it can share them, and holes stay holes. ioctl_ficlone(2),
//! copy_file_range(2)

use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Copies files between two file systems, which may be one.
#[derive(Debug)]
pub(crate) struct FileCopier {
    /// Until it was refused once.
    clones: bool,
}

impl Default for FileCopier {
    fn default() -> Self {
        Self { clones: true }
    }
}

impl FileCopier {
    /// `to` is empty.
    pub(crate) fn copy(&mut self, from: &mut File, to: &mut File) -> io::Result<()> {
        if self.clones {
            match rustix::fs::ioctl_ficlone(&*to, &*from) {
                Ok(()) => return Ok(()),
                Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::PERM | Errno::NOSYS) => {
                    self.clones = false;
                }
                // Of this one file: it is being written to, for instance.
                Err(_) => {}
            }
        }
        let found = from.metadata()?;
        if found.blocks() * 512 >= found.len() {
            return io::copy(from, to).map(drop);
        }
        for (offset, length) in crate::tree::data_ranges(from, found.len())? {
            from.seek(SeekFrom::Start(offset))?;
            to.seek(SeekFrom::Start(offset))?;
            io::copy(&mut io::Read::take(&mut *from, length), to)?;
        }
        to.set_len(found.len())
    }
}

/// Whether files in `dir` can share their blocks; tried with two that are gone afterwards.
pub fn can_clone_in(dir: &Path) -> io::Result<bool> {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let open = || rustix::fs::open(dir, flags, rustix::fs::Mode::RUSR).map(File::from);
    let (mut from, to) = match (open(), open()) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(Errno::OPNOTSUPP | Errno::ISDIR), _) => return Ok(false),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    io::Write::write_all(&mut from, &[1; 4096])?;
    Ok(rustix::fs::ioctl_ficlone(&to, &from).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_copy_has_the_same_bytes_and_no_more_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut from = File::create_new(path("from")).unwrap();
        from.write_all(b"begin").unwrap();
        from.seek(SeekFrom::Start(8 << 20)).unwrap();
        from.write_all(b"middle").unwrap();
        from.set_len(16 << 20).unwrap();
        for clones in [true, false] {
            let (mut from, mut to) = (File::open(path("from")).unwrap(), File::create(path("to")).unwrap());
            FileCopier { clones }.copy(&mut from, &mut to).unwrap();
            assert!(std::fs::read(path("from")).unwrap() == std::fs::read(path("to")).unwrap());
            assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20, "the holes are filled");
        }
    }
}
