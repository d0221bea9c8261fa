//! Becoming another program. execve(2), sigprocmask(2), close_range(2)

use std::ffi::CString;
use std::io;

/// Programs that may be executed, with their arguments and environment, laid out as the
/// kernel reads them: executing one of them makes no other system call.
#[derive(Debug)]
pub struct Images {
    paths: Vec<CString>,
    arguments: Pointers,
    environment: Pointers,
}

/// Strings, and the array of pointers to them that ends in null.
#[derive(Debug)]
struct Pointers {
    _texts: Vec<CString>,
    array: Vec<*const libc::c_char>,
}

impl Pointers {
    fn to(texts: Vec<CString>) -> Self {
        // Moving a `CString` leaves its bytes where they are.
        let mut array: Vec<*const libc::c_char> = texts.iter().map(|text| text.as_ptr()).collect();
        array.push(std::ptr::null());
        Self { _texts: texts, array }
    }
}

impl Images {
    pub fn new(paths: Vec<CString>, arguments: Vec<CString>, environment: Vec<CString>) -> Self {
        Self {
            paths,
            arguments: Pointers::to(arguments),
            environment: Pointers::to(environment),
        }
    }

    /// Runs the first program that can be, in place of this one; comes back only with the
    /// first error that `passes_over` did not take, or `None` when it took all.
    pub fn execute(&self, passes_over: fn(&io::Error) -> bool) -> Option<io::Error> {
        let mut first = None;
        for path in &self.paths {
            // SAFETY: both arrays end in null and point to strings that `self` owns.
            unsafe {
                libc::execve(
                    path.as_ptr(),
                    self.arguments.array.as_ptr(),
                    self.environment.array.as_ptr(),
                )
            };
            let error = io::Error::last_os_error();
            if !passes_over(&error) {
                first.get_or_insert(error);
            }
        }
        first
    }
}

/// Runs the program at `path` in place of this one; comes back only with an error.
pub fn execute(path: CString, arguments: Vec<CString>, environment: Vec<CString>) -> io::Error {
    let images = Images::new(vec![path], arguments, environment);
    images
        .execute(|_| false)
        .unwrap_or_else(|| io::ErrorKind::InvalidInput.into())
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
