//! Entries of an archive that a stranger made, put below a directory they cannot
//! leave: parents are resolved as in a changed root, the last name is never
//! followed, and owners, modes and times go on by descriptor.

use crate::beneath::{make_dirs, open_dir};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod,
    fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, openat, renameat_with, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// What an entry brings besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    pub uid: u32,
    pub gid: u32,
    /// Permissions, set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub modified_s: i64,
    pub modified_ns: i64,
    /// Name and value.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    Fifo,
    Character { major: u32, minor: u32 },
    Block { major: u32, minor: u32 },
}

/// Device number 0:0 as a character device hides what lower layers have. Kernel,
/// filesystems/overlayfs.rst, "whiteouts and opaque directories".
const WHITEOUT: Special = Special::Character { major: 0, minor: 0 };
const OPAQUE: &str = "trusted.overlay.opaque";

/// The directory an archive is unpacked into.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    /// The parent of the entry before, since entries of one directory come together.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Root {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            dir: File::open(path)?.into(),
            last: None,
        })
    }

    /// Makes the directory, or gives the one that is there these attributes.
    pub fn directory(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let Some((parent, name)) = self.parent(path)? else {
            return apply(&self.dir, attributes);
        };
        match mkdirat(&parent, &name, Mode::RWXU) {
            Err(Errno::EXIST) => {
                let there = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    self.remove_at(&parent, &name)?;
                    mkdirat(&parent, &name, Mode::RWXU)?;
                }
            }
            outcome => outcome?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        apply(&openat(&parent, &name, flags, Mode::empty())?, attributes)
    }

    /// Makes the file anew; `write` fills it.
    pub fn file<E: From<io::Error>>(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        write: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<(), E> {
        let (parent, name) = self.fresh(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, &name, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from)?;
        let mut file = File::from(file);
        write(&mut file)?;
        Ok(apply(&file.into(), attributes)?)
    }

    pub fn symlink(&mut self, path: &Path, target: &Path, attributes: &Attributes) -> io::Result<()> {
        let (parent, name) = self.fresh(path)?;
        symlinkat(target, &parent, &name)?;
        own(&parent, &name, attributes)?;
        Ok(utimensat(
            &parent,
            &name,
            &times(attributes),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// A further name for a file unpacked before; `target` is a path from the root.
    pub fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let Some((target_parent, target_name)) = self.find(target)? else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (parent, name) = self.fresh(path)?;
        Ok(linkat(&target_parent, &target_name, &parent, &name, AtFlags::empty())?)
    }

    pub fn special(&mut self, path: &Path, special: Special, attributes: &Attributes) -> io::Result<()> {
        let (parent, name) = self.fresh(path)?;
        let (kind, major, minor) = match special {
            Special::Fifo => (FileType::Fifo, 0, 0),
            Special::Character { major, minor } => (FileType::CharacterDevice, major, minor),
            Special::Block { major, minor } => (FileType::BlockDevice, major, minor),
        };
        mknodat(
            &parent,
            &name,
            kind,
            Mode::RUSR | Mode::WUSR,
            rustix::fs::makedev(major, minor),
        )?;
        own(&parent, &name, attributes)?;
        chmodat(
            &parent,
            &name,
            Mode::from_raw_mode(attributes.mode & 0o7777),
            AtFlags::empty(),
        )?;
        Ok(utimensat(
            &parent,
            &name,
            &times(attributes),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Hides `path` of the layers below.
    pub fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.fresh(path)?;
        let Special::Character { major, minor } = WHITEOUT else {
            return Ok(());
        };
        let device = rustix::fs::makedev(major, minor);
        Ok(mknodat(
            &parent,
            &name,
            FileType::CharacterDevice,
            Mode::empty(),
            device,
        )?)
    }

    /// Hides all that the layers below have in the directory `path`.
    pub fn opaque(&mut self, path: &Path) -> io::Result<()> {
        let dir = make_dirs(&self.dir, path, 0o755)?;
        Ok(fsetxattr(&dir, OPAQUE, b"y", XattrFlags::empty())?)
    }

    /// The directory the last name of `path` stands in, made if need be; `None` for the root.
    fn parent(&mut self, path: &Path) -> io::Result<Option<(OwnedFd, OsString)>> {
        let Some((parent, name)) = split(path)? else {
            return Ok(None);
        };
        if let Some((known, dir)) = &self.last
            && *known == parent
        {
            return Ok(Some((dir.try_clone()?, name)));
        }
        let dir = make_dirs(&self.dir, &parent, 0o755)?;
        self.last = Some((parent, dir.try_clone()?));
        Ok(Some((dir, name)))
    }

    fn find(&mut self, path: &Path) -> io::Result<Option<(OwnedFd, OsString)>> {
        let Some((parent, name)) = split(path)? else {
            return Ok(None);
        };
        Ok(Some((open_dir(&self.dir, &parent)?, name)))
    }

    /// As [`Root::parent`], with whatever bears the name removed.
    fn fresh(&mut self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let Some((parent, name)) = self.parent(path)? else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the root can only be a directory",
            ));
        };
        self.remove_at(&parent, &name)?;
        Ok((parent, name))
    }

    fn remove_at(&mut self, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        match unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            Ok(()) => {
                // It may have been a link that the known parent was reached by.
                self.last = None;
                Ok(())
            }
            Err(Errno::ISDIR | Errno::PERM) => {
                // A parent that is known by its path may be inside.
                self.last = None;
                remove_dir(parent, name)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn remove_dir(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let inner = entry.file_name();
        if matches!(inner.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(&dir, inner, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                use std::os::unix::ffi::OsStrExt as _;
                remove_dir(&dir, OsStr::from_bytes(inner.to_bytes()))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Parent and last name, without `.`; `..` in a name is refused, since nothing
/// honest has it.
fn split(path: &Path) -> io::Result<Option<(PathBuf, OsString)>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a name with `..` leads out of the archive",
                ));
            }
        }
    }
    let Some(name) = parts.pop() else {
        return Ok(None);
    };
    Ok(Some((parts.iter().collect(), name.to_owned())))
}

fn apply(file: &OwnedFd, attributes: &Attributes) -> io::Result<()> {
    fchown(
        file,
        Some(Uid::from_raw(attributes.uid)),
        Some(Gid::from_raw(attributes.gid)),
    )?;
    // After the owner: a change of owner takes set-user-id and capabilities away.
    fchmod(file, Mode::from_raw_mode(attributes.mode & 0o7777))?;
    for (name, value) in &attributes.xattrs {
        match fsetxattr(file, name.as_os_str(), value, XattrFlags::empty()) {
            // The file system keeps none of this kind.
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(futimens(file, &times(attributes))?)
}

fn own(parent: &OwnedFd, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    Ok(chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec {
        tv_sec: attributes.modified_s,
        tv_nsec: attributes.modified_ns.clamp(0, 999_999_999),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Renames `from` to `to` unless that exists; whether it was renamed. renameat2(2)
pub fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    let here = rustix::fs::CWD;
    match renameat_with(here.as_fd(), from, here.as_fd(), to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    fn attributes() -> Attributes {
        Attributes {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            mode: 0o755,
            ..Attributes::default()
        }
    }

    fn write(root: &mut Root, path: &str, text: &str) -> io::Result<()> {
        root.file(Path::new(path), &attributes(), |file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_written_through_a_link_stays_inside() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("root");
        fs::create_dir(&inside).unwrap();
        let mut root = Root::open(&inside).unwrap();
        root.symlink(Path::new("out"), Path::new("/"), &attributes()).unwrap();
        root.symlink(Path::new("up"), Path::new("../.."), &attributes())
            .unwrap();
        write(&mut root, "out/a", "x").unwrap();
        write(&mut root, "up/b", "x").unwrap();
        assert!(inside.join("a").is_file() && inside.join("b").is_file());
        assert!(write(&mut root, "../c", "x").is_err());
        write(&mut root, "/d", "x").unwrap();
        assert!(inside.join("d").is_file());
    }

    #[test]
    fn a_later_entry_takes_the_place_of_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        write(&mut root, "a/b/c", "1").unwrap();
        write(&mut root, "a", "2").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "2");
        root.symlink(Path::new("link"), Path::new("a"), &attributes()).unwrap();
        write(&mut root, "link", "3").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "2");
        root.hard_link(Path::new("again"), Path::new("a")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("again")).unwrap(), "2");
    }

    #[test]
    fn whiteouts_are_the_kernels() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
        let dir = tempfile::tempdir().unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        root.whiteout(Path::new("etc/gone")).unwrap();
        let metadata = fs::symlink_metadata(dir.path().join("etc/gone")).unwrap();
        assert!(metadata.file_type().is_char_device() && metadata.rdev() == 0);
    }
}
