//! Loading a filter of system calls. seccomp(2)

use std::io;

/// One instruction of classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub value: u32,
}

/// Puts `program` on the calling thread and what it executes.
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN` unless no_new_privs is set; `EINVAL` for a
/// program the kernel does not accept.
pub fn load(program: &[Instruction], flags: u32) -> io::Result<()> {
    let mut filters: Vec<libc::sock_filter> = program
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.jump_true,
            jf: instruction.jump_false,
            k: instruction.value,
        })
        .collect();
    let length = u16::try_from(filters.len()).map_err(|_| io::Error::other("the filter is too long"))?;
    let program = libc::sock_fprog {
        len: length,
        filter: filters.as_mut_ptr(),
    };
    // SAFETY: `program` points to `filters`, both outlive the call, and the length
    // is that of the array.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::from_ref(&program),
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
