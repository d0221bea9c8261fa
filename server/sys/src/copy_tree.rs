//! Copies of directories with owners, modes, times and special files, by
//! descriptors: no name is resolved twice and no link followed.

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod, fchown, fstat,
    futimens, mkdirat, mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deeper trees are refused rather than overflowing the stack.
const MOST_DEEP: u32 = 512;

/// Copies what is in the directory `from` into the directory `to`, and gives `to`
/// the owner, mode and times of `from`.
pub fn copy_into(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    copy_dir(from.as_fd(), to.as_fd(), None, 0)
}

/// Who has the files of a copy: the ids of a user namespace.
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    pub first_user: u32,
    pub first_group: u32,
    pub count: u32,
}

/// As [`copy_into`], but what belongs to id 0 is given to the first of `owners`, and so on;
/// what is beyond them is given to the last.
pub fn copy_for(from: impl AsFd, to: impl AsFd, owners: Owners) -> io::Result<()> {
    copy_dir(from.as_fd(), to.as_fd(), Some(owners), 0)
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

/// Whether the directory holds nothing.
pub fn is_empty(dir: impl AsFd) -> io::Result<bool> {
    for entry in Dir::read_from(dir)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_dir(from: BorrowedFd<'_>, to: BorrowedFd<'_>, owners: Option<Owners>, depth: u32) -> io::Result<()> {
    if depth > MOST_DEEP {
        return Err(io::Error::other("directories are nested too deeply to copy"));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            copy_entry(from, to, name, owners, depth)?;
        }
    }
    let stat = fstat(from)?;
    let (user, group) = owner(&stat, owners);
    fchown(to, user, group)?;
    fchmod(to, mode(&stat))?;
    Ok(futimens(to, &times(&stat))?)
}

fn copy_entry(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    owners: Option<Owners>,
    depth: u32,
) -> io::Result<()> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let owner = owner(&stat, owners);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            mkdirat(to, name, Mode::RWXU)?;
            let (source, target) = (open_dir(from, name)?, open_dir(to, name)?);
            copy_dir(source.as_fd(), target.as_fd(), owners, depth + 1)
        }
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
            io::copy(&mut source, &mut target)?;
            fchown(&target, owner.0, owner.1)?;
            // After the owner: a change of owner takes set-user-id away.
            fchmod(&target, mode(&stat))?;
            Ok(futimens(&target, &times(&stat))?)
        }
        FileType::Symlink => {
            let link = readlinkat(from, name, Vec::new())?;
            symlinkat(&link, to, name)?;
            chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?)
        }
        kind @ (FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice) => {
            mknodat(to, name, kind, mode(&stat), stat.st_rdev)?;
            Ok(chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?)
        }
        // A socket means nothing without the process behind it.
        _ => Ok(()),
    }
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
}
