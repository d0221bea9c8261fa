//! Being process 1 for another program: passing signals on, burying orphans.
//! pid_namespaces(7)

use crate::children::{Ended, reap};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _};

/// Blocks every signal, so that [`keep`] hears of those that come before it.
pub fn block_signals() {
    // SAFETY: the set is initialised by the first call before the second reads it.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// Every signal that comes, to be read: none does anything by itself any more.
/// signalfd(2)
#[derive(Debug)]
pub struct Signals(std::fs::File);

impl Signals {
    pub fn watch() -> io::Result<Self> {
        block_signals();
        // SAFETY: the set is initialised by the first call before the second reads it.
        let fd = unsafe {
            let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::signalfd(-1, all.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above opened it, and nothing else owns it yet.
        Ok(Self(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// The next one that has come; `None` when there is no more.
    pub fn next(&self) -> Option<i32> {
        let mut told = [0; size_of::<libc::signalfd_siginfo>()];
        // The number comes first. signalfd(2)
        let whole = (&self.0).read(&mut told).is_ok_and(|length| length == told.len());
        whole.then(|| i32::from_ne_bytes([told[0], told[1], told[2], told[3]]))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Begins a process group, the foreground one where the standard input is this
/// session's terminal: keys that make signals are for it.
pub fn lead_group() {
    let _ = rustix::process::setpgid(None, None);
    let own = rustix::process::getpid();
    let _ = rustix::termios::tcsetpgrp(io::stdin(), own);
}

/// Passes signals on to the group of `child` and reaps whoever ends, until `child`
/// itself does. Signals must be blocked.
pub fn keep(child: i32) -> io::Result<Ended> {
    wait(child, |signal| {
        // SAFETY: takes two integers. The child is not reaped, so its group's
        // number is still its own.
        unsafe { libc::kill(-child, signal) };
    })
}

/// [`keep`] for a child that leads no group of ours: signals go to it alone.
pub fn attend(child: i32, handle: impl AsFd) -> io::Result<Ended> {
    wait(child, |signal| {
        let _ = crate::pidfd::send_signal(&handle, signal);
    })
}

fn wait(child: i32, pass_on: impl Fn(i32)) -> io::Result<Ended> {
    loop {
        while let Some((pid, ended)) = reap()? {
            if pid == child {
                return Ok(ended);
            }
        }
        let mut signal = 0;
        // SAFETY: the set is initialised before sigwait reads it; sigwait writes one
        // integer.
        unsafe {
            let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::sigwait(all.as_ptr(), &raw mut signal);
        }
        if signal != libc::SIGCHLD && signal > 0 {
            pass_on(signal);
        }
    }
}

/// Closes descriptors from `first` on. close_range(2)
pub fn close_from(first: u32) {
    // SAFETY: the caller owns none of them, or does nothing any more but `keep`.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}
