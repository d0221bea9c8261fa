//! File systems and where they are attached, by descriptors rather than by names
//! that may change meanwhile. fsopen(2), open_tree(2), mount_setattr(2)

use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags, statx};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
    unmount,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

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

/// Mounts made outside still arrive in this namespace's `/`, ours do not go out.
pub fn isolate_root() -> io::Result<()> {
    Ok(mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?)
}

/// Makes `root` the root directory of this mount namespace and lets go of the old
/// one. pivot_root(2), "pivot_root(".", ".")"
pub fn pivot_into(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(&root)?;
    rustix::process::pivot_root(".", ".")?;
    // The old root lies on top of the new one now; what happens to it must not
    // reach the host.
    mount_change(".", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// Covers the old root with `root` and enters it, where pivoting is not possible
/// (an initial ramdisk). `MS_MOVE`, chroot(2)
pub fn cover_root(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(&root)?;
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// [`copy_detached`] of a path of this process.
pub fn copy_path_detached(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    copy_detached(rustix::fs::CWD, path, recursive)
}
