//! Child processes: being told that one ended, and how. signalfd(2), waitpid(2).
//!
//! A program that adopts orphans does not know all its children by name, so it
//! reaps whichever ended.

use rustix::process::WaitOptions;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    Signal(i32),
}

/// Becomes readable when a child has ended. From its making on `SIGCHLD` is
/// blocked in this thread: what is executed by children must unblock it.
#[derive(Debug)]
pub struct Deaths(std::fs::File);

impl Deaths {
    pub fn watch() -> io::Result<Self> {
        let mut mask = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before the other calls read it;
        // all of them only touch it.
        let fd = unsafe {
            libc::sigemptyset(mask.as_mut_ptr());
            libc::sigaddset(mask.as_mut_ptr(), libc::SIGCHLD);
            let blocked = libc::pthread_sigmask(libc::SIG_BLOCK, mask.as_ptr(), std::ptr::null_mut());
            if blocked != 0 {
                return Err(io::Error::from_raw_os_error(blocked));
            }
            libc::signalfd(-1, mask.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above opened it, and nothing else owns it yet.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// Makes it unreadable until another child ends. Call before [`reap`], which
    /// then misses nobody.
    pub fn clear(&self) {
        let mut told = [0; size_of::<libc::signalfd_siginfo>()];
        // Non-blocking; several deaths are told as one.
        while (&self.0).read(&mut told).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for Deaths {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes one ended child, its pid and how it ended; `None` when no (more) child
/// has ended.
pub fn reap() -> io::Result<Option<(i32, Ended)>> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(None),
            Ok(Some((pid, status))) => {
                let ended = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Ended::Code(code),
                    (None, Some(signal)) => Ended::Signal(signal),
                    (None, None) => continue,
                };
                return Ok(Some((pid.as_raw_nonzero().get(), ended)));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until child `pid` has ended, and takes it.
pub fn wait_for(pid: i32) -> io::Result<()> {
    wait_for_end(pid).map(drop)
}

/// [`wait_for`], and how it ended.
pub fn wait_for_end(pid: i32) -> io::Result<Ended> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    let ended = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()))?;
    let status = ended.map(|(_, status)| status).ok_or(io::ErrorKind::InvalidData)?;
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ok(Ended::Code(code)),
        (None, Some(signal)) => Ok(Ended::Signal(signal)),
        (None, None) => Err(io::ErrorKind::InvalidData.into()),
    }
}
