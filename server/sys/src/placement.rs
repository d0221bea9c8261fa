//! Where a file system is to place what lies in a directory.

use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Tells ext2, ext3 and ext4 that the directories in `dir` have nothing to do with each
/// other: each then gets a part of the disk of its own instead of all sharing one. Other
/// file systems have no such mark, which is no failure. ioctl_iflags(2) `FS_TOPDIR_FL`,
/// chattr(1) `T`
///
/// Without a journal ext4 gives no inode again for a minute after its removal, and for
/// every new one looks at all that were removed nearby: trees of files that take the place
/// of others just removed are made several times as fast apart from those.
///
/// # Errors
/// `dir` cannot be opened.
pub fn spread(dir: &Path) -> io::Result<()> {
    let dir = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let marked = ioctl_getflags(&dir).and_then(|flags| {
        if flags.contains(IFlags::TOPDIR) {
            return Ok(());
        }
        ioctl_setflags(&dir, flags | IFlags::TOPDIR)
    });
    match marked {
        Ok(()) | Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_marked_where_the_file_system_has_the_mark_and_stays_usable() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            spread(dir.path()).unwrap();
        }
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        assert!(spread(&dir.path().join("missing")).is_err());
    }
}
