//! Reading a directory whose owner may change it meanwhile: by descriptors, one name
//! at a time, no link followed, nothing opened that is not a plain file or directory.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, openat, readlinkat, statat};
use rustix::fs::{lgetxattr, llistxattr, major, minor};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The most a kernel gives for one attribute, and for the list of names. xattr(7)
const MOST_XATTR_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
    Symlink,
    Fifo,
    Socket,
    Character { major: u32, minor: u32 },
    Block { major: u32, minor: u32 },
}

/// stat(2)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub kind: Kind,
    pub uid: u32,
    pub gid: u32,
    /// Permissions, set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub size_bytes: u64,
    /// What it takes on the disk.
    pub allocated_bytes: u64,
    pub modified_s: i64,
    pub modified_ns: u32,
    /// When something of it was last changed, its content included: nobody can choose it.
    pub changed: (i64, u32),
    /// How many names it has.
    pub links: u64,
    /// Device and inode: the same for all names of one file.
    pub identity: (u64, u64),
}

impl Status {
    /// Hides what lower layers have. Kernel, filesystems/overlayfs.rst, "whiteouts and
    /// opaque directories".
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::Character { major: 0, minor: 0 }
    }

    /// The same in an unpacked layer, where a socket stands for a whiteout that the file
    /// system refuses: [`crate::unpack::Root::whiteout`].
    pub fn hides_in_layer(&self) -> bool {
        self.is_whiteout() || self.kind == Kind::Socket
    }
}

/// Name and value of extended attributes, by name.
pub type Xattrs = Vec<(OsString, Vec<u8>)>;

/// A directory held open.
#[derive(Debug)]
pub struct Tree {
    dir: OwnedFd,
}

impl Tree {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            dir: rustix::fs::open(path, flags, Mode::empty())?,
        })
    }

    pub fn from_dir(dir: OwnedFd) -> Self {
        Self { dir }
    }

    /// The same directory once more, so that both can be read.
    pub fn reopen(&self) -> io::Result<Self> {
        self.open_dir(OsStr::new("."))
    }

    pub fn status(&self) -> io::Result<Status> {
        Ok(status(&fstat(&self.dir)?))
    }

    pub fn xattrs(&self) -> io::Result<Xattrs> {
        xattrs(&self.dir)
    }

    /// In order of their bytes, so that whatever is made of them is the same each time.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Of the name itself, also if it is a link; `None` when it has gone.
    pub fn find(&self, name: &OsStr) -> io::Result<Option<Status>> {
        match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(status(&found))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self {
            dir: openat(&self.dir, name, flags, Mode::empty())?,
        })
    }

    /// # Errors
    /// `InvalidInput` for anything but a plain file: looking at a device may have effects.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        reopen_file(&openat(&self.dir, name, flags, Mode::empty())?)
    }

    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let target = readlinkat(&self.dir, name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Of a name that is not opened: a link, a device.
    pub fn xattrs_of(&self, name: &OsStr) -> io::Result<Xattrs> {
        xattrs_in(&self.dir, name)
    }

    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    /// Takes an attribute of the directory away; that there was none is fine.
    pub fn remove_xattr(&self, name: &str) -> io::Result<()> {
        match rustix::fs::fremovexattr(&self.dir, name) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Opens for reading what an `O_PATH` handle holds, if it is a plain file: what the
/// handle holds cannot be swapped any more.
pub fn reopen_file(handle: impl AsFd) -> io::Result<File> {
    let handle = handle.as_fd();
    if status(&fstat(handle)?).kind != Kind::File {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
    }
    File::open(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

/// What a handle holds.
pub fn status_of(handle: impl AsFd) -> io::Result<Status> {
    Ok(status(&fstat(handle)?))
}

/// Of an open file or directory.
pub fn xattrs(file: impl AsFd) -> io::Result<Xattrs> {
    let file = file.as_fd();
    let names = list(|buffer| flistxattr(file, buffer))?;
    read_all(&names, |name, buffer| fgetxattr(file, name, buffer))
}

/// Of the name itself, in an open directory.
pub(crate) fn xattrs_in(dir: impl AsFd, name: &OsStr) -> io::Result<Xattrs> {
    let path = through_proc(dir.as_fd(), name);
    let names = list(|buffer| llistxattr(&path, buffer))?;
    read_all(&names, |name, buffer| lgetxattr(&path, name, buffer))
}

/// The last name is not followed, and the directory cannot be swapped.
pub(crate) fn through_proc(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}

/// Where the data of a file lies, as offset and length; holes are between them.
/// `SEEK_DATA`, `SEEK_HOLE`: lseek(2)
pub fn data_ranges(file: &File, size_bytes: u64) -> io::Result<Vec<(u64, u64)>> {
    use rustix::fs::{SeekFrom, seek};
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < size_bytes {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            // The file system does not tell: all is data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                ranges.push((at, size_bytes - at));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(size_bytes);
        if start >= size_bytes || end <= start {
            break;
        }
        ranges.push((start, end - start));
        at = end;
    }
    seek(file, SeekFrom::Start(0))?;
    Ok(ranges)
}

fn list(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<OsString>> {
    let mut small = [0; 512];
    let mut large;
    let bytes = match read(&mut small) {
        Ok(count) => &small[..count],
        Err(Errno::RANGE) => {
            large = vec![0; MOST_XATTR_BYTES];
            let count = read(&mut large)?;
            &large[..count]
        }
        Err(Errno::NOTSUP) => &[],
        Err(error) => return Err(error.into()),
    };
    let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut names: Vec<OsString> = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

fn read_all(names: &[OsString], read: impl Fn(&OsStr, &mut [u8]) -> Result<usize, Errno>) -> io::Result<Xattrs> {
    let mut found = Vec::with_capacity(names.len());
    if names.is_empty() {
        return Ok(found);
    }
    let mut buffer = vec![0; MOST_XATTR_BYTES];
    for name in names {
        match read(name, &mut buffer) {
            Ok(count) => found.push((name.clone(), buffer[..count].to_owned())),
            // Gone meanwhile, or kept for another module.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn status(stat: &Stat) -> Status {
    let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
    Status {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Character { major, minor },
            FileType::BlockDevice => Kind::Block { major, minor },
            FileType::RegularFile | FileType::Unknown => Kind::File,
        },
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        allocated_bytes: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        modified_s: stat.st_mtime,
        modified_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        changed: (stat.st_ctime, u32::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        links: stat.st_nlink,
        identity: (stat.st_dev, stat.st_ino),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Seek as _, Write as _};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_seen_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "text").unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(tree.names().unwrap(), ["a", "b"]);
        let found = tree.find(OsStr::new("a")).unwrap().unwrap();
        assert_eq!(found.kind, Kind::Symlink);
        assert_eq!(tree.read_link(OsStr::new("a")).unwrap(), "b");
        assert!(tree.open_file(OsStr::new("a")).is_err());
        assert!(tree.open_file(OsStr::new("b")).is_ok());
        assert!(tree.open_dir(OsStr::new("a")).is_err());
        assert!(tree.find(OsStr::new("c")).unwrap().is_none());
    }

    #[test]
    fn the_data_between_holes_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create_new(dir.path().join("holes")).unwrap();
        file.seek(io::SeekFrom::Start(1 << 20)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.set_len(4 << 20).unwrap();
        let file = File::open(dir.path().join("holes")).unwrap();
        let ranges = data_ranges(&file, 4 << 20).unwrap();
        let data: u64 = ranges.iter().map(|(_, length)| length).sum();
        assert!(
            ranges
                .iter()
                .any(|(start, length)| *start <= 1 << 20 && start + length >= (1 << 20) + 4096)
        );
        assert!(data < 4 << 20, "{ranges:?}");
    }
}
