//! How many descriptors there may be, and who shares them.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

/// What this process was started with.
static FIRST: OnceLock<Rlimit> = OnceLock::new();

/// How many descriptors this process may have. getrlimit(2)
pub fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// Takes as many as may be had, as systemd's manual advises to programs that never call
/// select(2): the soft limit is 1,024 nearly everywhere, for the sake of those that do.
/// setrlimit(2); systemd.exec(5), "Process Properties"
pub fn raise_limit() -> io::Result<()> {
    let first = FIRST.get_or_init(|| getrlimit(Resource::Nofile));
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: first.maximum,
            maximum: first.maximum,
        },
    )?)
}

/// Gives the process of that id, a child, the limit that this one was started with.
/// prlimit(2)
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn give_first_limit(pid: u32) -> io::Result<()> {
    let (Some(first), Some(pid)) = (FIRST.get(), i32::try_from(pid).ok().and_then(Pid::from_raw)) else {
        return Ok(());
    };
    prlimit(Some(pid), Resource::Nofile, *first)?;
    Ok(())
}

/// Closes all descriptors but the standard streams, those below `first_closed`, and `kept`.
/// For a process that came out of [`crate::clone::clone`] and never returns to what owned
/// the others. close_range(2)
pub fn close_all_but(first_closed: u32, kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = first_closed.max(3);
    for fd in kept {
        if fd > first {
            // SAFETY: this process uses none of them any more, which is what it was told for.
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = first.max(fd + 1);
    }
    crate::reaper::close_from(first);
}

/// Starts a thread with descriptors of its own, of which it has but the three standard
/// streams at first: what it opens counts against no limit of the others, and costs
/// nothing when a program is started, for which the kernel copies and closes every
/// descriptor of its parent. unshare(2) `CLONE_FILES`, close_range(2)
///
/// Descriptors are numbers that mean something in one table only. So `work` must come
/// without any, and give none away; a lock or a channel has none.
pub fn spawn_apart(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Where a sandbox refuses it, the table of the others serves too.
        let _ = leave_descriptors();
        work();
    })
}

fn leave_descriptors() -> io::Result<()> {
    // SAFETY: this thread was made for the purpose and holds no descriptor.
    unsafe { unshare_unsafe(UnshareFlags::FILES) }?;
    crate::reaper::close_from(3);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::mpsc;

    #[test]
    fn a_thread_apart_has_none_of_the_others_descriptors_and_they_none_of_its() {
        let ours = File::open("/etc/hostname").unwrap();
        let number = ours.as_raw_fd();
        let (say, hear) = mpsc::channel();
        let thread = spawn_apart("apart", move || {
            let theirs = std::fs::read_dir("/proc/thread-self/fd").unwrap().count();
            let held: Vec<File> = (0..50).map(|_| File::open("/etc/hostname").unwrap()).collect();
            say.send(theirs).unwrap();
            drop(held);
        });
        // The three streams, and the directory that was read.
        assert!(hear.recv().unwrap() <= 4);
        thread.unwrap().join().unwrap();
        assert_eq!(ours.as_raw_fd(), number);
        assert!(ours.metadata().is_ok());
    }

    #[test]
    fn the_limit_is_raised_and_given_back_to_a_child() {
        raise_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        give_first_limit(child.id()).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let soft = line.split_whitespace().nth(3).unwrap();
        let first = FIRST.get().unwrap().current;
        assert_eq!(soft, first.map_or("unlimited".to_owned(), |first| first.to_string()));
    }
}
