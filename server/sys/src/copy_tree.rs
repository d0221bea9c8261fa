//! Copies of directories with owners, modes, times, attributes, hard links, holes and
//! special files, by descriptors: no name is resolved twice and no link followed.

use crate::copy_file::FileCopier;
pub use crate::copy_file::can_clone_in;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod,
    fchown, fsetxattr, fstat, futimens, linkat, lsetxattr, mkdirat, mknodat, openat, readlinkat, statat, symlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Deeper trees are refused rather than overflowing the stack.
const MOST_DEEP: u32 = 512;

/// Copies what is in the directory `from` into the directory `to`, and gives `to`
/// the owner, mode and times of `from`.
pub fn copy_into(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    Copier::new(to.as_fd(), None).all(from.as_fd(), to.as_fd(), &mut PathBuf::new(), 0)
}

/// Who has the files of a copy: the ids of a user namespace.
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    pub first_user: u32,
    pub first_group: u32,
    pub count: u32,
}

/// As [`copy_into`], but what belongs to id 0 is given to the first of `owners`, and so on;
/// what is beyond them is given to the last. Attributes that hold ids, or rights of the
/// host, are left out.
pub fn copy_for(from: impl AsFd, to: impl AsFd, owners: Owners) -> io::Result<()> {
    Copier::new(to.as_fd(), Some(owners)).all(from.as_fd(), to.as_fd(), &mut PathBuf::new(), 0)
}

/// Whether the directory holds nothing.
pub fn is_empty(dir: impl AsFd) -> io::Result<bool> {
    for entry in Dir::read_from(dir)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A tree that is put together of entries of others. One tree a copier: it knows which
/// names are those of one file.
#[derive(Debug)]
pub struct Copier<'a> {
    root: BorrowedFd<'a>,
    owners: Option<Owners>,
    files: FileCopier,
    /// Of files with further names: the first path in the copy, and what it is there.
    named: HashMap<(u64, u64), (PathBuf, (u64, u64))>,
}

impl<'a> Copier<'a> {
    /// `root` is the copy's.
    pub fn new(root: BorrowedFd<'a>, owners: Option<Owners>) -> Self {
        Self {
            root,
            owners,
            files: FileCopier::default(),
            named: HashMap::new(),
        }
    }

    /// Copies what `name` is in `from`, and no directory, to `path` below the root, whose
    /// parent is `to`. A socket means nothing without the process behind it, and is left out.
    pub fn entry(&mut self, from: impl AsFd, to: impl AsFd, name: &OsStr, path: &Path) -> io::Result<()> {
        let (from, name) = (from.as_fd(), CString::new(name.as_bytes())?);
        let stat = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.leaf(from, to.as_fd(), &name, path, &stat)
    }

    /// Makes `name` in `to` a further name of what it is in `from`; where files cannot have
    /// one, or no more, a copy.
    pub fn link(&mut self, from: impl AsFd, to: impl AsFd, name: &OsStr, path: &Path) -> io::Result<()> {
        match linkat(from.as_fd(), name, to.as_fd(), name, AtFlags::empty()) {
            Err(Errno::PERM | Errno::MLINK | Errno::XDEV | Errno::NOTSUP | Errno::NOSYS) => {
                self.entry(from, to, name, path)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Makes the directory `name` in `to`, for its owner's eyes until it is finished.
    pub fn directory(&mut self, to: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
        let name = CString::new(name.as_bytes())?;
        mkdirat(to.as_fd(), &name, Mode::RWXU)?;
        open_dir(to.as_fd(), &name)
    }

    /// Gives the directory `to` what `from` has of owner, mode, attributes and times: when
    /// nothing more is put into it.
    pub fn finish_directory(&self, from: impl AsFd, to: impl AsFd) -> io::Result<()> {
        let (from, to) = (from.as_fd(), to.as_fd());
        let stat = fstat(from)?;
        let (user, group) = owner(&stat, self.owners);
        fchown(to, user, group)?;
        fchmod(to, mode(&stat))?;
        self.xattrs(from, to)?;
        Ok(futimens(to, &times(&stat))?)
    }

    fn all(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &mut PathBuf, depth: u32) -> io::Result<()> {
        if depth > MOST_DEEP {
            return Err(io::Error::other("directories are nested too deeply to copy"));
        }
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
            path.push(OsStr::from_bytes(name.to_bytes()));
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                mkdirat(to, name, Mode::RWXU)?;
                let (source, target) = (open_dir(from, name)?, open_dir(to, name)?);
                self.all(source.as_fd(), target.as_fd(), path, depth + 1)?;
            } else {
                self.leaf(from, to, name, path, &stat)?;
            }
            path.pop();
        }
        self.finish_directory(from, to)
    }

    fn leaf(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
        stat: &Stat,
    ) -> io::Result<()> {
        let has_more_names = stat.st_nlink > 1;
        if has_more_names && self.is_further_name(to, name, stat)? {
            return Ok(());
        }
        let owner = owner(stat, self.owners);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let source = openat(
                    from,
                    name,
                    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
                let (mut source, mut target) = (File::from(source), File::from(target));
                self.files.copy(&mut source, &mut target)?;
                fchown(&target, owner.0, owner.1)?;
                // After the owner: a change of owner takes set-user-id and capabilities away.
                fchmod(&target, mode(stat))?;
                self.xattrs(source.as_fd(), target.as_fd())?;
                futimens(&target, &times(stat))?;
            }
            FileType::Symlink => {
                let link = readlinkat(from, name, Vec::new())?;
                symlinkat(&link, to, name)?;
                chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
                self.xattrs_of(from, to, name)?;
                utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            kind @ (FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice) => {
                match mknodat(to, name, kind, mode(stat), stat.st_rdev) {
                    // No user namespace's root makes devices; containers have their own.
                    Err(Errno::PERM) if kind != FileType::Fifo && !crate::user_namespace::is_initial() => {
                        return Ok(());
                    }
                    outcome => outcome?,
                }
                chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
                // The umask may have taken bits away. Nothing is opened for it, and a link
                // that was put in its place is not followed.
                let handle = openat(
                    to,
                    name,
                    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?;
                rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), mode(stat))?;
                self.xattrs_of(from, to, name)?;
                utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            // A socket means nothing without the process behind it.
            _ => return Ok(()),
        }
        if has_more_names {
            let made = statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?;
            self.named.insert(identity(stat), (path.to_owned(), identity(&made)));
        }
        Ok(())
    }

    /// Whether the file was copied under another name, and now has this one too. What the
    /// first path leads to by now is looked at: the tree may be somebody's already.
    fn is_further_name(&self, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<bool> {
        let Some((path, made)) = self.named.get(&identity(stat)) else {
            return Ok(false);
        };
        let Ok(first) = crate::beneath::find_without_links(self.root, path) else {
            return Ok(false);
        };
        if identity(&fstat(&first)?) != *made {
            return Ok(false);
        }
        let handle = format!("/proc/self/fd/{}", first.as_raw_fd());
        match linkat(CWD, handle, to, name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::PERM | Errno::MLINK | Errno::NOTSUP | Errno::NOSYS) => Ok(false),
            outcome => Ok(outcome.map(|()| true)?),
        }
    }

    fn xattrs(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
        for (name, value) in crate::tree::xattrs(from)? {
            if self.takes(&name) {
                set(fsetxattr(to, name.as_os_str(), &value, XattrFlags::empty()))?;
            }
        }
        Ok(())
    }

    fn xattrs_of(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let name = OsStr::from_bytes(name.to_bytes());
        for (attribute, value) in crate::tree::xattrs_in(from, name)? {
            if self.takes(&attribute) {
                let path = crate::tree::through_proc(to, name);
                set(lsetxattr(path, attribute.as_os_str(), &value, XattrFlags::empty()))?;
            }
        }
        Ok(())
    }

    fn takes(&self, attribute: &OsStr) -> bool {
        let name = attribute.as_bytes();
        let of_overlayfs = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
        !of_overlayfs && (self.owners.is_none() || name.starts_with(b"user."))
    }
}

/// Not every file system keeps all of them.
fn set(outcome: Result<(), Errno>) -> io::Result<()> {
    match outcome {
        Ok(()) | Err(Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn owner(stat: &Stat, owners: Option<Owners>) -> (Option<Uid>, Option<Gid>) {
    let (user, group) = match owners {
        None => (stat.st_uid, stat.st_gid),
        Some(owners) => {
            let place = |id: u32| id.min(owners.count.saturating_sub(1));
            (
                owners.first_user + place(stat.st_uid),
                owners.first_group + place(stat.st_gid),
            )
        }
    };
    (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o7777)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanos| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanos).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn a_tree_is_copied_with_modes_links_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        fs::set_permissions(from.join("a/b/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).unwrap();
        copy_into(File::open(&from).unwrap(), File::open(&to).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/file")).unwrap(), "text");
        assert_eq!(fs::metadata(to.join("a/b/file")).unwrap().mode() & 0o7777, 0o4750);
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            std::path::Path::new("/nowhere")
        );
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1777);
        let times = |path: &std::path::Path| fs::metadata(path).unwrap().mtime_nsec();
        assert_eq!(times(&from.join("a")), times(&to.join("a")));
        assert!(!is_empty(File::open(&to).unwrap()).unwrap());
    }

    #[test]
    fn names_of_one_file_stay_its_names_and_attributes_and_holes_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        let file = File::create(from.join("a")).unwrap();
        file.set_len(8 << 20).unwrap();
        let has_xattrs = crate::xattr::set(&file, OsStr::new("user.note"), b"kept").is_ok();
        fs::hard_link(from.join("a"), from.join("sub/b")).unwrap();
        mknodat(CWD, from.join("fifo"), FileType::Fifo, Mode::empty(), 0).unwrap();
        fs::set_permissions(from.join("fifo"), fs::Permissions::from_mode(0o666)).unwrap();
        copy_into(File::open(&from).unwrap(), File::open(&to).unwrap()).unwrap();
        let found = |name: &str| fs::metadata(to.join(name)).unwrap();
        assert_eq!((found("a").ino(), found("a").nlink()), (found("sub/b").ino(), 2));
        assert!(found("a").ino() != fs::metadata(from.join("a")).unwrap().ino());
        assert_eq!(found("a").blocks(), 0, "the hole is filled");
        assert_eq!(found("fifo").mode() & 0o7777, 0o666);
        if has_xattrs {
            let kept = crate::tree::xattrs(File::open(to.join("sub/b")).unwrap()).unwrap();
            assert_eq!(kept, [("user.note".into(), b"kept".to_vec())]);
        }
    }
}
