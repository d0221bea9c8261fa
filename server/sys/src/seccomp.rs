//! Filters of system calls: programs in the kernel's classic packet filter language.
//! seccomp(2)

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// One instruction, `struct sock_filter`. linux/filter.h
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    pub code: u16,
    /// How many instructions to pass over when a test holds, and when it does not.
    pub if_true: u8,
    pub if_false: u8,
    pub operand: u32,
}

/// How the kernel is to treat the filter. linux/seccomp.h
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Put it on every thread of the process.
    pub tsync: bool,
    /// Log what is not allowed.
    pub log: bool,
    /// Leave the processor's speculative store bypass on.
    pub spec_allow: bool,
    /// Answer with a descriptor on which calls are announced.
    pub new_listener: bool,
    /// Only a deadly signal interrupts a call that is announced.
    pub wait_killable_recv: bool,
}

impl Flags {
    fn bits(self) -> libc::c_ulong {
        let bits = [
            (self.tsync, libc::SECCOMP_FILTER_FLAG_TSYNC),
            (self.log, libc::SECCOMP_FILTER_FLAG_LOG),
            (self.spec_allow, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
            (self.new_listener, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
            (self.wait_killable_recv, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
            // With both, the answer is a descriptor, so failing to sync must be an error.
            (self.tsync && self.new_listener, libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
        ];
        bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
    }
}

/// Puts a filter on the calling thread, for ever; answers with the listener if one was
/// asked for. Allocates nothing.
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN` and without no_new_privs, `EINVAL` when the kernel
/// takes the program or a flag for wrong.
pub fn load(program: &[Instruction], flags: Flags) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `Instruction` has the layout of `struct sock_filter`; the kernel copies
    // `len` of them out of memory that is lent until the call ends, and writes nothing.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags.bits(),
            std::ptr::from_ref(&program),
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    if !flags.new_listener {
        // With `tsync` alone, a thread that could not follow.
        return if outcome == 0 {
            Ok(None)
        } else {
            Err(io::Error::other(format!("thread {outcome} could not take the filter")))
        };
    }
    let fd = RawFd::try_from(outcome).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the call opened it, close-on-exec, and nothing else owns it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Whether the kernel knows `action` (`SECCOMP_RET_*`). seccomp(2),
/// `SECCOMP_GET_ACTION_AVAIL`
pub fn has_action(action: u32) -> bool {
    // SAFETY: the kernel reads one number, which is lent until the call ends.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            std::ptr::from_ref(&action),
        )
    };
    outcome == 0
}

/// What a filter answers. linux/seccomp.h
pub mod action {
    pub use libc::{
        SECCOMP_RET_ALLOW as ALLOW, SECCOMP_RET_ERRNO as ERRNO, SECCOMP_RET_KILL_PROCESS as KILL_PROCESS,
        SECCOMP_RET_KILL_THREAD as KILL_THREAD, SECCOMP_RET_LOG as LOG, SECCOMP_RET_TRACE as TRACE,
        SECCOMP_RET_TRAP as TRAP, SECCOMP_RET_USER_NOTIF as USER_NOTIF,
    };
}
