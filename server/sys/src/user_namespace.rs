//! Which ids of a user namespace mean which of its parent. user_namespaces(7)

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// A run of ids: `size` of them from `inside` on mean those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    pub inside: u32,
    pub outside: u32,
    pub size: u32,
}

/// Gives the new user namespace of process `pid` its ids, which can be done once.
///
/// # Errors
/// `EPERM` when the caller may not map those ids, `EINVAL` when ranges overlap or are
/// more than 340.
pub fn write_maps(pid: i32, users: &[IdRange], groups: &[IdRange]) -> io::Result<()> {
    let write = |file: &str, ranges: &[IdRange]| {
        // All in one write: the kernel takes no second.
        let lines: String = ranges
            .iter()
            .map(|IdRange { inside, outside, size }| format!("{inside} {outside} {size}\n"))
            .collect();
        fs::write(format!("/proc/{pid}/{file}"), lines)
    };
    match write("gid_map", groups) {
        // Without rights over groups, only after giving up to drop any.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
            write("gid_map", groups)?;
        }
        outcome => outcome?,
    }
    write("uid_map", users)
}

/// A user namespace with these ids that nobody is in, for mapping mounts. Any process may
/// ask for one, whatever threads it has.
///
/// # Errors
/// As [`write_maps`]; `ENOSPC` or `EPERM` where the host allows no user namespaces.
pub fn unused(users: &[IdRange], groups: &[IdRange]) -> io::Result<OwnedFd> {
    let (wait, release) = crate::pipe::pipe()?;
    // SAFETY: plain integers, for which all zeros is a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = libc::CLONE_NEWUSER as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM and with no stack given, the child goes on with a copy of
    // this process's memory. Other threads may have held locks when it was made, so it
    // makes plain system calls alone and ends by one.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut arguments),
            size_of::<libc::clone_args>(),
        )
    };
    if pid == 0 {
        let mut byte = 0_u8;
        // SAFETY: the descriptors are this copy's own, `byte` outlives the read, which is
        // told its size, and the last call does not return. Reading ends when the other
        // side is closed.
        unsafe {
            libc::syscall(libc::SYS_close, release.as_raw_fd());
            libc::syscall(libc::SYS_read, wait.as_raw_fd(), &raw mut byte, 1);
            libc::syscall(libc::SYS_exit_group, 0);
        }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    drop(wait);
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    let opened = write_maps(pid, users, groups).and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
    drop(release);
    let _ = crate::children::wait_for(pid);
    Ok(opened?.into())
}

/// Whether this process is in the user namespace of the host itself, in which every id
/// means itself.
pub fn is_initial() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        let words: Vec<&str> = map.split_ascii_whitespace().collect();
        words == ["0", "0", "4294967295"]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_namespace_nobody_is_in_maps_mounts() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let range = [IdRange {
            inside: 0,
            outside: 1_000_000,
            size: 65_536,
        }];
        let users = unused(&range, &range).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let tree = crate::mount::copy_path_detached(dir.path(), false).unwrap();
        if let Err(error) = crate::mount::map_ids(&tree, &users, false) {
            println!(
                "skipped: the file system of {} maps no ids: {error}",
                dir.path().display()
            );
            return;
        }
        let seen = fs::metadata(format!("/proc/self/fd/{}/file", tree.as_raw_fd())).unwrap();
        assert_eq!((seen.uid(), seen.gid()), (1_000_000, 1_000_000));
    }

    #[test]
    fn ranges_that_overlap_are_refused() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let range = IdRange {
            inside: 0,
            outside: 1_000_000,
            size: 10,
        };
        assert!(unused(&[range, range], &[range]).is_err());
    }
}
