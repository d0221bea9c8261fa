//! Programs that decide which devices the processes of a v2 control group may use.
//! bpf(2), `BPF_PROG_TYPE_CGROUP_DEVICE`

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

// linux/bpf.h
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// The most programs one group can have. linux/bpf-cgroup-defs.h
const MOST_PROGRAMS: usize = 64;

/// The first fields of `union bpf_attr` for loading; the kernel takes the rest as zero.
#[repr(C)]
struct LoadRequest {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
struct AttachRequest {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
struct QueryRequest {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

#[repr(C)]
struct ByIdRequest {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Gives the kernel a program: each instruction is one `struct bpf_insn` as it lies in
/// memory. The answer must be attached to have an effect.
///
/// # Errors
/// `EINVAL` or `EACCES` when the kernel's verifier refuses the program, `EPERM` without
/// the right to load one.
pub fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    let count = u32::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut name = [0; 16];
    name[..14].copy_from_slice(b"gantry_devices");
    let mut request = LoadRequest {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: count,
        insns: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: name,
    };
    // SAFETY: the pointers in the request are to memory that lives until the call ends,
    // and the kernel only reads from them.
    let fd = unsafe { call(PROG_LOAD, &mut request) }?;
    own(fd)
}

/// Makes the program decide for the processes of `group` and of groups inside it, along
/// with those that are already there: what one of them denies is denied.
pub fn attach(group: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let mut request = about(group, program, ALLOW_MULTI);
    // SAFETY: the request holds numbers alone.
    unsafe { call(PROG_ATTACH, &mut request) }.map(drop)
}

pub fn detach(group: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let mut request = about(group, program, 0);
    // SAFETY: the request holds numbers alone.
    unsafe { call(PROG_DETACH, &mut request) }.map(drop)
}

/// The programs attached to `group` itself.
pub fn attached(group: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; MOST_PROGRAMS];
    let mut request = QueryRequest {
        target_fd: number(group.as_fd().as_raw_fd()),
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MOST_PROGRAMS as u32,
        padding: 0,
    };
    // SAFETY: the kernel writes at most `prog_cnt` numbers to `prog_ids`, which has that
    // many and lives on, and the fields it answers in are within the request, which is
    // lent to it alone.
    unsafe { call(PROG_QUERY, &mut request) }?;
    let count = usize::try_from(request.prog_cnt).unwrap_or(0).min(MOST_PROGRAMS);
    ids[..count].iter().map(|id| open(*id)).collect()
}

fn open(id: u32) -> io::Result<OwnedFd> {
    let mut request = ByIdRequest {
        prog_id: id,
        next_id: 0,
        open_flags: 0,
    };
    // SAFETY: the request holds numbers alone.
    let fd = unsafe { call(PROG_GET_FD_BY_ID, &mut request) }?;
    own(fd)
}

fn about(group: impl AsFd, program: impl AsFd, flags: u32) -> AttachRequest {
    AttachRequest {
        target_fd: number(group.as_fd().as_raw_fd()),
        attach_bpf_fd: number(program.as_fd().as_raw_fd()),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: flags,
        replace_bpf_fd: 0,
    }
}

/// Descriptors that are open are not negative.
fn number(fd: RawFd) -> u32 {
    fd as u32
}

/// # Safety
/// `request` is what `command` expects, and pointers in it are valid for it.
unsafe fn call<T>(command: libc::c_int, request: *mut T) -> io::Result<libc::c_long> {
    // SAFETY: the size is the request's own; the rest is the caller's promise.
    let outcome = unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<T>()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(outcome)
}

fn own(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the call before this one opened it, close-on-exec as bpf(2) always does,
    // and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
