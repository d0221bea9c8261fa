//! How a process gets processor time, disk time and memory: sched_setattr(2),
//! ioprio_set(2), sched_setaffinity(2), set_mempolicy(2), personality(2). All of it is
//! the calling thread's and is kept across exec.

use std::io;

/// sched_setattr(2). Times are in nanoseconds, for the deadline policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scheduling {
    /// `SCHED_…`
    pub policy: u32,
    /// `SCHED_FLAG_…`
    pub flags: u64,
    pub nice: i32,
    /// For the real-time policies, 1 to 99.
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// `struct sched_attr` without the clamps. linux/sched/types.h
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

pub fn set_scheduling(wanted: Scheduling) -> io::Result<()> {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: wanted.policy,
        flags: wanted.flags,
        nice: wanted.nice,
        priority: wanted.priority,
        runtime: wanted.runtime,
        deadline: wanted.deadline,
        period: wanted.period,
    };
    // SAFETY: the kernel reads as many bytes as the struct says it has, and it outlives
    // the call.
    outcome(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(&attributes), 0) })
}

/// Class 1 is real-time, 2 best effort, 3 idle; the priority goes from 0, the highest,
/// to 7. ioprio_set(2)
pub fn set_io_priority(class: u16, priority: u16) -> io::Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u16 = 13;
    let value = libc::c_int::from(class << CLASS_SHIFT | priority);
    // SAFETY: takes integers only.
    outcome(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) })
}

/// Lets the calling thread run on these processors only. sched_setaffinity(2)
///
/// # Errors
/// `EINVAL` when none of them may be used.
pub fn set_affinity(processors: &[u32]) -> io::Result<()> {
    let mask = mask_of(processors);
    // SAFETY: the kernel reads the given number of bytes, which outlive the call.
    outcome(unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            size_of_val(mask.as_slice()),
            mask.as_ptr(),
        )
    })
}

/// The mask of the processors that the calling thread may run on, 64 to a word.
/// sched_getaffinity(2)
pub fn affinity() -> io::Result<Vec<u64>> {
    // As many processors as any kernel is built for.
    let mut mask = vec![0u64; 8192 / 64];
    // SAFETY: the kernel writes at most the given number of bytes, which outlive the call.
    let written = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            0,
            size_of_val(mask.as_slice()),
            mask.as_mut_ptr(),
        )
    };
    outcome(written)?;
    Ok(mask)
}

/// Where memory comes from: `MPOL_…` with its flags, and the nodes it names.
/// set_mempolicy(2)
pub fn set_memory_policy(mode: i32, nodes: &[u32]) -> io::Result<()> {
    let mask = mask_of(nodes);
    let (pointer, bits) = if nodes.is_empty() {
        (std::ptr::null(), 0)
    } else {
        // The kernel reads one bit less than it is told.
        (mask.as_ptr(), mask.len() * 64 + 1)
    };
    // SAFETY: the kernel reads that many bits, which outlive the call.
    outcome(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) })
}

/// What the kernel pretends to be. personality(2)
pub fn set_personality(persona: u32) -> io::Result<()> {
    // SAFETY: takes an integer only.
    let outcome = unsafe { libc::personality(libc::c_ulong::from(persona)) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn mask_of(numbers: &[u32]) -> Vec<u64> {
    let highest = numbers.iter().max().copied().unwrap_or(0) as usize;
    let mut mask = vec![0u64; highest / 64 + 1];
    for number in numbers {
        mask[*number as usize / 64] |= 1 << (number % 64);
    }
    mask
}

fn outcome(outcome: libc::c_long) -> io::Result<()> {
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
