//! File systems and where they are attached, by descriptors rather than by names
//! that may change meanwhile. fsopen(2), open_tree(2), mount_setattr(2)

use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags, statx};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
    unmount,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

pub const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
pub const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
pub const RELATIVE_ATIME: u64 = libc::MOUNT_ATTR_RELATIME;
pub const NO_ATIME: u64 = libc::MOUNT_ATTR_NOATIME;
pub const STRICT_ATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
pub const NO_DIR_ATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
/// The three settings of access times share a field, cleared by this.
pub const ATIME_FIELD: u64 = libc::MOUNT_ATTR__ATIME;
pub const NO_SYMLINK_FOLLOW: u64 = 0x0020_0000;

/// How mounts and unmounts travel between namespaces. mount_namespaces(7)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Private,
    Shared,
    Slave,
    Unbindable,
}

impl Propagation {
    fn bit(self) -> u64 {
        match self {
            Self::Private => libc::MS_PRIVATE,
            Self::Shared => libc::MS_SHARED,
            Self::Slave => libc::MS_SLAVE,
            Self::Unbindable => libc::MS_UNBINDABLE,
        }
    }
}

/// A file system of type `kind`, attached nowhere. Options are `name` or `name=value`.
pub fn new_detached(kind: &str, source: &str, options: &[String], attributes: u64) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    if !source.is_empty() {
        fsconfig_set_string(context, "source", source)?;
    }
    for option in options {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context, name, value)?,
            None => fsconfig_set_flag(context, option.as_str())?,
        }
    }
    fsconfig_create(context)?;
    Ok(fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::from_bits_retain(attributes as u32),
    )?)
}

/// A copy of what is mounted at `path`, with mounts below it if `recursive`,
/// attached nowhere. `OPEN_TREE_CLONE`
pub fn copy_detached(at: impl AsFd, path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    Ok(open_tree(at, path, flags)?)
}

/// Attaches a detached tree on top of what `target` refers to.
pub fn attach(tree: impl AsFd, target: impl AsFd) -> io::Result<()> {
    Ok(move_mount(
        tree,
        "",
        target,
        "",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )?)
}

/// Whether `file` is opened through a read-only mount of that very file.
pub fn is_read_only_file_mount(file: impl AsFd) -> bool {
    let read_only = rustix::fs::fstatvfs(&file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE);
    read_only && found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether what is opened lies in a `/proc`. `PROC_SUPER_MAGIC`, statfs(2)
pub fn is_proc(file: impl AsFd) -> io::Result<bool> {
    const MAGIC: i64 = 0x9fa0;
    Ok(rustix::fs::fstatfs(file)?.f_type == MAGIC)
}

/// Whether what is opened cannot be written to, because its mount or file system is
/// read-only. fstatvfs(3)
pub fn is_read_only(file: impl AsFd) -> bool {
    rustix::fs::fstatvfs(&file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Sets and clears attributes of a mount, and of all below it if `recursive`.
pub fn change(tree: impl AsFd, set: u64, clear: u64, recursive: bool) -> io::Result<()> {
    set_attributes(&tree, set, clear, 0, recursive)
}

pub fn set_propagation(tree: impl AsFd, propagation: Propagation, recursive: bool) -> io::Result<()> {
    set_attributes(&tree, 0, 0, propagation.bit(), recursive)
}

/// Shows the owners of files as the user namespace maps them: what belongs to an id
/// of its inside belongs to the id outside here. The tree must be attached nowhere.
/// mount_setattr(2), "ID-mapped mounts"
///
/// # Errors
/// `EINVAL` where the file system, or the kernel for it, has no such mounts.
pub fn map_ids(tree: impl AsFd, user_namespace: impl AsFd, recursive: bool) -> io::Result<()> {
    // SAFETY: plain integers, for which all zeros is a value.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
    attributes.userns_fd = user_namespace.as_fd().as_raw_fd() as u64;
    call_set_attributes(&tree, &attributes, recursive)
}

/// Tries whether the file system of a directory shows its files with mapped ids.
///
/// # Errors
/// `EINVAL` where it does not, `EPERM` without root.
pub fn can_map_ids(dir: &Path) -> io::Result<()> {
    let any = [crate::user_namespace::IdRange {
        inside: 0,
        outside: 1,
        size: 1,
    }];
    let users = crate::user_namespace::unused(&any, &any)?;
    let tree = copy_path_detached(dir, false)?;
    map_ids(&tree, &users, false)
}

fn set_attributes(tree: &impl AsFd, set: u64, clear: u64, propagation: u64, recursive: bool) -> io::Result<()> {
    // SAFETY: plain integers, for which all zeros is a value.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = set;
    attributes.attr_clr = clear;
    // The kernel takes a change of this field only when all of it is cleared first.
    if (set | clear) & ATIME_FIELD != 0 {
        attributes.attr_clr |= ATIME_FIELD;
    }
    attributes.propagation = propagation;
    call_set_attributes(tree, &attributes, recursive)
}

fn call_set_attributes(tree: &impl AsFd, attributes: &libc::mount_attr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, and the struct outlives the call, which is
    // told its size.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes a mount out of this namespace; what still uses it keeps it. umount2(2), `MNT_DETACH`
pub fn unmount_lazily(path: &Path) -> io::Result<()> {
    Ok(unmount(path, UnmountFlags::DETACH)?)
}

/// Mounts made outside still arrive in this namespace's `/`, ours do not go out.
pub fn isolate_root() -> io::Result<()> {
    Ok(mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?)
}

/// Makes `root` the root directory of this mount namespace and detaches the old
/// one. pivot_root(2), "pivot_root(".", ".")"
pub fn pivot_into(root: impl AsFd) -> io::Result<()> {
    let old = crate::beneath::own_root()?;
    rustix::process::fchdir(&root)?;
    rustix::process::pivot_root(".", ".")?;
    // The old root lies on top of the new one now; what happens to it must not
    // reach the host. `.` would mean the new one still.
    rustix::process::fchdir(&old)?;
    mount_change(".", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// Covers the old root with `root` and enters it, where pivoting is not possible
/// (an initial ramdisk). `MS_MOVE`, chroot(2)
///
/// The mounts of the old root stay in the namespace. Among them no `proc` and `sysfs` may
/// be left: while one is there in full, users of a new user namespace can mount another
/// one, without what is masked in the container's. mount_namespaces(7)
pub fn cover_root(root: impl AsFd) -> io::Result<()> {
    detach_kernel_file_systems(&root)?;
    rustix::process::fchdir(&root)?;
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// Detaches every `proc` and `sysfs` that is not mounted below `root`; what the kernel does
/// not let go, because a user namespace locked it, is covered with an empty file system.
fn detach_kernel_file_systems(root: impl AsFd) -> io::Result<()> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let table: Vec<Entry> = table.split(|byte| *byte == b'\n').filter_map(Entry::parse).collect();
    let root = id_of(root)?;
    let is_inside = |entry: &Entry| {
        let mut id = entry.id;
        // Each step goes to a parent; the namespace's root is its own or has one not listed.
        for _ in 0..=table.len() {
            if id == root {
                return true;
            }
            match table.iter().find(|entry| entry.id == id) {
                Some(entry) if entry.parent != id => id = entry.parent,
                _ => return false,
            }
        }
        false
    };
    // The last one mounted at a place is the one that its path means.
    let outside = table.iter().rev().filter(|entry| !is_inside(entry));
    for entry in outside.filter(|entry| matches!(entry.kind.as_slice(), b"proc" | b"sysfs")) {
        match unmount(entry.place.as_path(), UnmountFlags::DETACH) {
            Ok(()) => {}
            // Gone with one that it was mounted in.
            Err(rustix::io::Errno::NOENT) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => {
                let options = ["size=0".to_owned(), "nr_inodes=1".to_owned()];
                let empty = new_detached("tmpfs", "tmpfs", &options, READ_ONLY)?;
                match std::fs::File::open(&entry.place) {
                    Ok(place) => attach(&empty, &place)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A line of `/proc/self/mountinfo`. proc_pid_mountinfo(5)
struct Entry {
    id: u64,
    parent: u64,
    place: PathBuf,
    kind: Vec<u8>,
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
        // Behind the optional fields.
        let end = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
        Some(Self {
            id: number(fields.first()?)?,
            parent: number(fields.get(1)?)?,
            place: PathBuf::from(OsString::from_vec(unescaped(fields.get(4)?))),
            kind: fields.get(end + 1)?.to_vec(),
        })
    }
}

/// Blanks and the like are written as `\040`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(code);
                rest = &after[3..];
            }
            None => plain.push(*byte),
        }
    }
    plain
}

/// Makes `root` the root directory of this process alone, in a mount namespace that others
/// use as well. chroot(2)
pub fn change_root(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// Unmounts what `root` is the root of, with all that is mounted below. umount(2)
pub fn detach(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(&root)?;
    Ok(unmount(".", UnmountFlags::DETACH)?)
}

/// Which mount an open file lies in. statx(2), `STATX_MNT_ID`
pub fn id_of(file: impl AsFd) -> io::Result<u64> {
    Ok(statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// [`copy_detached`] of a path of this process.
pub fn copy_path_detached(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    copy_detached(rustix::fs::CWD, path, recursive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo_are_read_with_escapes_and_optional_fields() {
        let line = b"36 35 98:0 /mnt1 /mnt\\0402\\134 rw,noatime shared:1 master:2 - proc /dev/root rw";
        let entry = Entry::parse(line).unwrap();
        assert_eq!((entry.id, entry.parent, entry.kind.as_slice()), (36, 35, &b"proc"[..]));
        assert_eq!(entry.place, Path::new("/mnt 2\\"));
        assert!(Entry::parse(b"").is_none());
    }
}
