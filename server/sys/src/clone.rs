//! New processes that begin as copies of this one. clone3(2)

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Which namespaces and cgroup a new process is born into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// `CLONE_NEW…` bits, see [`crate::namespace`].
    pub namespaces: u64,
    /// A directory of the cgroup2 tree. `CLONE_INTO_CGROUP`
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The new process becomes the caller's sibling. `CLONE_PARENT`
    pub sibling: bool,
}

/// Who one is after a clone.
#[derive(Debug)]
pub enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// Copies the calling process. Signal handlers are reset in the child.
///
/// # Errors
/// Refused in a process with threads: the child would have only one of them, and
/// locks that the others held would stay locked for ever.
pub fn clone(birth: Birth<'_>) -> io::Result<Cloned> {
    // A clone has one thread for certain, and its /proc may be another's.
    let single = is_clone() || std::fs::read_dir("/proc/self/task")?.count() == 1;
    if !single {
        return Err(io::Error::other("a process with threads may not clone itself"));
    }
    let mut pidfd: i32 = -1;
    // SAFETY: plain integers, for which all zeros is a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = birth.namespaces | libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND;
    arguments.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    if birth.sibling {
        // The kernel then sends the caller's own exit signal.
        arguments.flags |= libc::CLONE_PARENT as u64;
    } else {
        arguments.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = birth.cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and with no stack given, the child goes on with a
    // copy of this process's memory as after fork. There was one thread, so the
    // copy holds no lock of another; `pidfd` outlives the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut arguments),
            size_of::<libc::clone_args>(),
        )
    };
    match pid {
        0 => {
            IS_CLONE.store(true, Ordering::Relaxed);
            Ok(Cloned::Child)
        }
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Cloned::Parent {
            pid: pid as i32,
            // SAFETY: the kernel opened it for this call, and nothing else owns it.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// Whether this process came out of [`clone`]; it must not start threads then.
pub(crate) fn is_clone() -> bool {
    IS_CLONE.load(Ordering::Relaxed)
}

static IS_CLONE: AtomicBool = AtomicBool::new(false);

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Ends the process at once, without anything that was registered for its end: a
/// clone must not do what its original will. _exit(2)
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}
