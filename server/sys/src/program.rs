//! Becoming another program. execve(2), sigprocmask(2), close_range(2)

use std::ffi::{CStr, CString};
use std::io;

/// Runs the program at `path` in place of this one; comes back only with an error.
pub fn execute(path: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| {
        let mut pointers: Vec<*const libc::c_char> = texts.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end in null and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Gives every signal its default meaning and blocks none, as a program expects.
pub fn reset_signals() {
    // The kernel's own form of the struct; all zeros is SIG_DFL without flags.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // By number, since the C library keeps two real-time signals to itself, which
        // may have been inherited as ignored.
        // SAFETY: the kernel reads 32 bytes, which outlive the call, and default
        // actions run no code of ours. KILL and STOP are refused, which is as well.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    // SAFETY: the set is initialised by the first call before the second reads it.
    unsafe {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Marks descriptors from `first` on to be closed when a program is executed.
pub fn close_from_on_exec(first: u32) -> io::Result<()> {
    // SAFETY: takes integers; closing happens at exec only.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
