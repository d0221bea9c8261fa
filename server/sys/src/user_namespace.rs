//! Which ids of a user namespace mean which of its parent. user_namespaces(7)

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

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
    let parent = std::process::id();
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
        stay_until_killed(parent);
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    let opened = write_maps(pid, users, groups).and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
    // SAFETY: plain integers. Nobody else waits for this child, so its id is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let _ = crate::children::wait_for(pid);
    Ok(opened?.into())
}

/// Keeps a namespace alive, for as long as the thread that made the process lives. It does
/// not wait for the end of a pipe: another such child, made meanwhile, would hold that open.
fn stay_until_killed(parent: u32) -> ! {
    // SAFETY: system calls on plain integers, nothing of the copied memory is changed, and
    // the last one does not return.
    unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        // It may have gone before it could be noticed.
        while libc::syscall(libc::SYS_getppid) == libc::c_long::from(parent) {
            libc::syscall(libc::SYS_ppoll, std::ptr::null_mut::<libc::pollfd>(), 0, 0, 0, 0);
        }
        libc::syscall(libc::SYS_exit_group, 0);
    }
    unreachable!("exit_group(2) does not return")
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
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::MetadataExt as _;

    const SHIFTED: IdRange = IdRange {
        inside: 0,
        outside: 1_000_000,
        size: 65_536,
    };

    #[test]
    fn many_are_made_at_once() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let (done, all) = std::sync::mpsc::channel();
        for _ in 0..8 {
            let done = done.clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    unused(&[SHIFTED], &[SHIFTED]).unwrap();
                }
                let _ = done.send(());
            });
        }
        for _ in 0..8 {
            all.recv_timeout(std::time::Duration::from_mins(2)).unwrap();
        }
    }

    #[test]
    fn a_namespace_nobody_is_in_maps_mounts() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let users = unused(&[SHIFTED], &[SHIFTED]).unwrap();
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
        assert!(unused(&[SHIFTED, SHIFTED], &[SHIFTED]).is_err());
    }
}
