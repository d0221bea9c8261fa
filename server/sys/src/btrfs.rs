//! Subvolumes and snapshots of btrfs: directories that share what they have not changed.
//! btrfs-subvolume(8); kernel, include/uapi/linux/btrfs.h

use rustix::fs::{Dir, Mode, OFlags, open, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// `BTRFS_SUPER_MAGIC`: statfs(2)
const MAGIC: u64 = 0x9123_683e;
/// Every subvolume's root has this inode: `BTRFS_FIRST_FREE_OBJECTID`.
const ROOT_INODE: u64 = 256;

/// Numbers of ioctl(2), which all take [`Arguments`] or [`ArgumentsV2`].
const SUBVOL_CREATE: libc::c_ulong = 0x5000_940e;
const SNAP_DESTROY: libc::c_ulong = 0x5000_940f;
const SNAP_CREATE_V2: libc::c_ulong = 0x5000_9417;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct Arguments {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2`
#[repr(C)]
struct ArgumentsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

// The numbers above say these sizes to the kernel.
const _: () = assert!(size_of::<Arguments>() == 4096 && size_of::<ArgumentsV2>() == 4096);

/// Whether `path` lies on btrfs.
pub fn is_btrfs(path: &Path) -> io::Result<bool> {
    let found = rustix::fs::statfs(path)?;
    Ok(u64::try_from(found.f_type).is_ok_and(|kind| kind & 0xffff_ffff == MAGIC))
}

/// Makes an empty subvolume.
///
/// # Errors
/// `ENOTTY` where `path` does not lie on btrfs; `EEXIST`.
pub fn create_subvolume(path: &Path) -> io::Result<()> {
    let (parent, name) = split(path)?;
    let parent = open_dir(parent)?;
    by_name(parent.as_fd(), SUBVOL_CREATE, name)
}

/// Makes `to` a subvolume that has what the subvolume `from` has, and may be changed.
///
/// # Errors
/// `EINVAL` where `from` is none, `EXDEV` on another file system.
pub fn snapshot(from: &Path, to: &Path) -> io::Result<()> {
    let (parent, name) = split(to)?;
    let (from, parent) = (open_dir(from)?, open_dir(parent)?);
    let mut arguments = ArgumentsV2 {
        fd: i64::from(from.as_raw_fd()),
        transid: 0,
        flags: 0,
        unused: [0; 4],
        name: [0; 4040],
    };
    put(&mut arguments.name, name)?;
    // SAFETY: the kernel reads and writes one `btrfs_ioctl_vol_args_v2`, which `arguments`
    // is and which outlives the call; both descriptors are open until then.
    let outcome = unsafe { libc::ioctl(parent.as_raw_fd(), SNAP_CREATE_V2, &raw mut arguments) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether `path` is the root of a subvolume.
pub fn is_subvolume(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::symlink_metadata(path)?;
    Ok(found.is_dir() && found.ino() == ROOT_INODE && is_btrfs(path)?)
}

/// Removes the subvolume `path`, and those that were made inside it.
pub fn remove_subvolume(path: &Path) -> io::Result<()> {
    let (parent, name) = split(path)?;
    let parent = open_dir(parent)?;
    match by_name(parent.as_fd(), SNAP_DESTROY, name) {
        // Others are inside, or it is a mere directory's rights that are had.
        Err(_) => {
            remove_subvolumes_below(path)?;
            match by_name(parent.as_fd(), SNAP_DESTROY, name) {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => fs::remove_dir_all(path),
                outcome => outcome,
            }
        }
        Ok(()) => Ok(()),
    }
}

/// Removes all subvolumes that lie somewhere below the directory `path`, which may be
/// read-only and so be in the way of others who remove.
pub fn remove_subvolumes_below(path: &Path) -> io::Result<()> {
    let dir = open_dir(path)?;
    below(dir.as_fd())
}

fn below(dir: BorrowedFd<'_>) -> io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || !matches!(entry.file_type(), rustix::fs::FileType::Directory) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inner: OwnedFd = match openat(dir, name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            outcome => outcome?,
        };
        below(inner.as_fd())?;
        if rustix::fs::fstat(&inner)?.st_ino == ROOT_INODE {
            by_name(dir, SNAP_DESTROY, OsStr::from_bytes(name.to_bytes()))?;
        }
    }
    Ok(())
}

fn by_name(parent: BorrowedFd<'_>, call: libc::c_ulong, name: &OsStr) -> io::Result<()> {
    let mut arguments = Arguments { fd: 0, name: [0; 4088] };
    put(&mut arguments.name, name)?;
    // SAFETY: the kernel reads one `btrfs_ioctl_vol_args`, which `arguments` is and which
    // outlives the call.
    let outcome = unsafe { libc::ioctl(parent.as_raw_fd(), call, &raw mut arguments) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn put(field: &mut [u8], name: &OsStr) -> io::Result<()> {
    let name = name.as_bytes();
    // With a zero behind it.
    if name.len() >= field.len() {
        return Err(Errno::NAMETOOLONG.into());
    }
    field[..name.len()].copy_from_slice(name);
    Ok(())
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    path.parent()
        .zip(path.file_name())
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}
