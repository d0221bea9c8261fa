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
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

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

/// Directories kept open while their entries come.
const HANDLES: usize = 64;

/// The directory an archive is unpacked into.
#[derive(Debug)]
pub struct Root {
    dir: Rc<OwnedFd>,
    /// Parents by their names in the archive: most entries stand beside another.
    known: HashMap<PathBuf, Rc<OwnedFd>>,
    /// What a new file gets without asking.
    own: (u32, u32),
    umask: u32,
}

impl Root {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::from_dir(File::open(path)?.into()))
    }

    pub fn from_dir(dir: OwnedFd) -> Self {
        Self {
            dir: Rc::new(dir),
            known: HashMap::new(),
            own: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            umask: umask(),
        }
    }

    /// Whether `path` is a directory itself, not a link to one.
    pub fn is_directory(&mut self, path: &Path) -> io::Result<bool> {
        let found = match self.find(path) {
            Ok(Some((parent, name))) => statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW),
            Ok(None) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory))
    }

    /// Makes the directory in place of whatever else bears the name. Its attributes
    /// come with [`Root::finish_directory`], when nothing more is put into it: until
    /// then it is ours alone, and its group is not inherited.
    pub fn directory(&mut self, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = self.parent(path)? else {
            return Ok(());
        };
        match mkdirat(&parent, &name, Mode::RWXU) {
            Err(Errno::EXIST) => {
                let there = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    self.remove_at(&parent, &name)?;
                    mkdirat(&parent, &name, Mode::RWXU)?;
                }
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }

    /// Gives the directory its attributes; nothing where it is none any more.
    pub fn finish_directory(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let Some((parent, name)) = self.parent(path)? else {
            return self.apply(&self.dir, attributes, None);
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&parent, &name, flags, Mode::empty()) {
            Ok(dir) => self.apply(&dir, attributes, None),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file anew; `write` fills it.
    pub fn file<E: From<io::Error>>(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        write: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<(), E> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(attributes.mode & 0o777);
        let (file, _, _) = self.make(path, |parent, name| openat(parent, name, flags, mode))?;
        let mut file = File::from(file);
        write(&mut file)?;
        Ok(self.apply(&file.into(), attributes, Some(mode.as_raw_mode() & !self.umask))?)
    }

    pub fn symlink(&mut self, path: &Path, target: &Path, attributes: &Attributes) -> io::Result<()> {
        let ((), parent, name) = self.make(path, |parent, name| symlinkat(target, parent, name))?;
        if (attributes.uid, attributes.gid) != self.own {
            own(&parent, &name, attributes)?;
        }
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
        self.make(path, |parent, name| {
            linkat(&target_parent, &target_name, parent, name, AtFlags::empty())
        })
        .map(drop)
    }

    pub fn special(&mut self, path: &Path, special: Special, attributes: &Attributes) -> io::Result<()> {
        let (kind, major, minor) = match special {
            Special::Fifo => (FileType::Fifo, 0, 0),
            Special::Character { major, minor } => (FileType::CharacterDevice, major, minor),
            Special::Block { major, minor } => (FileType::BlockDevice, major, minor),
        };
        let device = rustix::fs::makedev(major, minor);
        let made = self.make(path, |parent, name| {
            mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device)
        });
        let ((), parent, name) = match made {
            // No user namespace's root makes devices: those of images are left out, as
            // containers have their own.
            Err(error)
                if kind != FileType::Fifo
                    && error.raw_os_error() == Some(crate::errno::EPERM)
                    && !crate::user_namespace::is_initial() =>
            {
                return Ok(());
            }
            made => made?,
        };
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
    ///
    /// Overlayfs as the file system below refuses its own whiteouts, and others refuse
    /// devices: there a socket stands for it, which no archive can bring.
    pub fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let Special::Character { major, minor } = WHITEOUT else {
            return Ok(());
        };
        let device = rustix::fs::makedev(major, minor);
        let mark = self.make(path, |parent, name| {
            mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), device)
        });
        match mark {
            Err(error) if is_refusal(&error) => self
                .make(path, |parent, name| {
                    mknodat(parent, name, FileType::Socket, Mode::empty(), 0)
                })
                .map(drop),
            outcome => outcome.map(drop),
        }
    }

    /// Hides all that the layers below have in the directory `path`.
    pub fn opaque(&mut self, path: &Path) -> io::Result<()> {
        let dir = make_dirs(&self.dir, path, 0o755)?;
        let mark = |prefix: &str| fsetxattr(&dir, format!("{prefix}opaque"), b"y", XattrFlags::empty());
        match mark(crate::overlay::attribute_prefix()).map_err(io::Error::from) {
            // Not everywhere may the attributes of overlayfs be set.
            Err(error) if is_refusal(&error) => Ok(mark(crate::overlay::USER_PREFIX)?),
            outcome => outcome,
        }
    }

    /// Makes something of that name, in place of whatever bears it.
    fn make<T>(
        &mut self,
        path: &Path,
        mut call: impl FnMut(&OwnedFd, &OsStr) -> Result<T, Errno>,
    ) -> io::Result<(T, Rc<OwnedFd>, OsString)> {
        let Some((parent, name)) = self.parent(path)? else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the root can only be a directory",
            ));
        };
        let made = match call(&parent, &name) {
            Err(Errno::EXIST) => {
                self.remove_at(&parent, &name)?;
                call(&parent, &name)
            }
            outcome => outcome,
        };
        Ok((made?, parent, name))
    }

    /// The directory the last name of `path` stands in, made if need be; `None` for the root.
    fn parent(&mut self, path: &Path) -> io::Result<Option<(Rc<OwnedFd>, OsString)>> {
        let Some((parent, name)) = split(path)? else {
            return Ok(None);
        };
        Ok(Some((self.dir_of(parent)?, name)))
    }

    fn dir_of(&mut self, path: PathBuf) -> io::Result<Rc<OwnedFd>> {
        if path.as_os_str().is_empty() {
            return Ok(self.dir.clone());
        }
        if let Some(dir) = self.known.get(&path) {
            return Ok(dir.clone());
        }
        // Nearly always there already, and then it is one call however deep it lies.
        let dir = match open_dir(&self.dir, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_dirs(&self.dir, &path, 0o755)?,
            outcome => outcome?,
        };
        if self.known.len() >= HANDLES {
            self.known.clear();
        }
        let dir = Rc::new(dir);
        self.known.insert(path, dir.clone());
        Ok(dir)
    }

    fn find(&mut self, path: &Path) -> io::Result<Option<(OwnedFd, OsString)>> {
        let Some((parent, name)) = split(path)? else {
            return Ok(None);
        };
        Ok(Some((open_dir(&self.dir, &parent)?, name)))
    }

    fn remove_at(&mut self, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        // It may be what a known directory was reached by.
        self.known.clear();
        match unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => remove_dir(parent, name),
            Err(error) => Err(error.into()),
        }
    }

    /// `mode` is what it has already, if that is known.
    fn apply(&self, file: &OwnedFd, attributes: &Attributes, mode: Option<u32>) -> io::Result<()> {
        let is_ours = (attributes.uid, attributes.gid) == self.own;
        // A directory that was there before may be another's; a new file is not.
        if !is_ours || mode.is_none() {
            fchown(
                file,
                Some(Uid::from_raw(attributes.uid)),
                Some(Gid::from_raw(attributes.gid)),
            )?;
        }
        // After the owner: a change of owner takes set-user-id and capabilities away.
        if mode != Some(attributes.mode & 0o7777) {
            fchmod(file, Mode::from_raw_mode(attributes.mode & 0o7777))?;
        }
        for (name, value) in &attributes.xattrs {
            match fsetxattr(file, name.as_os_str(), value, XattrFlags::empty()) {
                // The file system keeps none of this kind.
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(futimens(file, &times(attributes))?)
    }
}

/// Whether the file system will not have this at all.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::PERM, Errno::NOTSUP, Errno::NOSYS, Errno::INVAL].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|number| refusals.contains(&number))
}

/// What the process takes from the modes of new files; all, if that cannot be known.
/// proc_pid_status(5), "Umask"
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o777)
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

/// Everything written to the file system that holds `path` is on its device when
/// this returns. syncfs(2)
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

/// Sets the place of the next byte, leaving a hole; and the length, so that a hole
/// may also be the end. lseek(2), ftruncate(2)
pub fn leave_hole(file: &mut File, bytes: u64) -> io::Result<()> {
    use std::io::Seek as _;
    let at = file.seek(io::SeekFrom::Current(i64::try_from(bytes).unwrap_or(i64::MAX)))?;
    file.set_len(at)
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
    fn a_directory_that_became_a_file_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        root.directory(Path::new("a")).unwrap();
        write(&mut root, "a/b", "1").unwrap();
        write(&mut root, "a", "2").unwrap();
        root.finish_directory(Path::new("a"), &attributes()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "2");
    }

    #[test]
    fn modes_are_as_told_whatever_the_umask_is() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        for mode in [0o777, 0o666, 0o4755, 0o1000, 0o400, 0] {
            let attributes = Attributes { mode, ..attributes() };
            root.file(Path::new("file"), &attributes, |_| Ok::<_, io::Error>(()))
                .unwrap();
            let metadata = fs::symlink_metadata(dir.path().join("file")).unwrap();
            assert_eq!(metadata.mode() & 0o7777, mode, "{mode:o}");
            root.directory(Path::new("dir")).unwrap();
            root.finish_directory(Path::new("dir"), &attributes).unwrap();
            let metadata = fs::symlink_metadata(dir.path().join("dir")).unwrap();
            assert_eq!(metadata.mode() & 0o7777, mode, "{mode:o}");
        }
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
