//! Who a process is and what it may: users, groups, capabilities. credentials(7),
//! capabilities(7). All of it is the calling thread's alone: for processes with one.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::io;

/// One bit per capability, the lowest is `CAP_CHOWN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    pub bounding: u64,
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

/// The number of the kernel's last capability. /proc/sys/kernel/cap_last_cap
pub fn last_capability() -> u32 {
    std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(40)
}

/// The capabilities that this process may use. capget(2)
pub fn permitted() -> io::Result<u64> {
    Ok(rustix::thread::capabilities(None)?.permitted.bits())
}

/// Becomes another user with these capabilities, in the order that is possible:
/// bounding set, groups, user, the sets, ambient set. `last` is the kernel's last
/// capability, since /proc may not be there any more. The capabilities `kept` can be used
/// until [`set_capabilities_of`] or the next execve(2), which works them out anew.
pub fn become_user(uid: u32, gid: u32, groups: &[u32], wanted: Capabilities, kept: u64, last: u32) -> io::Result<()> {
    for number in (0..=last).filter(|number| wanted.bounding & (1 << number) == 0) {
        remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number))?;
    }
    // Else changing the user would clear what is set below.
    set_keep_capabilities(true)?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    set_keep_capabilities(false)?;
    set_capabilities_of(Capabilities {
        effective: wanted.effective | kept,
        permitted: wanted.permitted | kept,
        ..wanted
    })?;
    clear_ambient_capability_set()?;
    for number in (0..=last).filter(|number| wanted.ambient & (1 << number) != 0) {
        configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)?;
    }
    Ok(())
}

/// Sets the effective, permitted and inheritable capabilities. capset(2)
pub fn set_capabilities_of(wanted: Capabilities) -> io::Result<()> {
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::from_bits_retain(wanted.effective),
            permitted: CapabilitySet::from_bits_retain(wanted.permitted),
            inheritable: CapabilitySet::from_bits_retain(wanted.inheritable),
        },
    )?;
    Ok(())
}

/// `CAP_SYS_ADMIN`, capabilities(7)
pub const SYS_ADMIN: u64 = 1 << 21;

/// From now on no program this process executes gains rights. `PR_SET_NO_NEW_PRIVS`
pub fn set_no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Others of the same user may not look into this process. `PR_SET_DUMPABLE`
pub fn hide() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::NotDumpable,
    )?)
}

/// The opposite of [`hide`].
pub fn show() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::Dumpable,
    )?)
}

/// Becomes root of a user namespace that was entered or made, without groups where
/// they may be dropped. setresuid(2)
pub fn become_root() -> io::Result<()> {
    match set_thread_groups(&[]) {
        // Where setgroups is denied for ever, they stay.
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    Ok(set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?)
}

/// Files are made and opened as this user and group from now on, with every capability the
/// process may have. setfsuid(2), setfsgid(2)
pub fn act_as(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: plain integers; the calls touch no memory.
    let taken = unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
        // They never tell of a failure; asking for none that exists answers who one is.
        (libc::setfsuid(u32::MAX), libc::setfsgid(u32::MAX))
    };
    if taken != (uid.cast_signed(), gid.cast_signed()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // Those over files were taken away with root's number.
    let sets = rustix::thread::capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: sets.permitted,
            ..sets
        },
    )?;
    Ok(())
}

/// umask(2)
pub fn set_umask(mask: u32) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
}

/// setrlimit(2); `resource` is the number of `RLIMIT_…`.
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the struct outlives the call, which reads it only.
    let outcome = unsafe { libc::prlimit64(0, resource, &raw const limit, std::ptr::null_mut()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The soft and the hard limit that hold now. getrlimit(2)
pub fn rlimit(resource: u32) -> io::Result<(u64, u64)> {
    let mut held = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct outlives the call, which writes it only.
    let outcome = unsafe { libc::prlimit64(0, resource, std::ptr::null(), &raw mut held) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((held.rlim_cur, held.rlim_max))
}

/// Leaves the caller's session keyring for a new one. keyctl(2)
pub fn join_session_keyring(name: &str) -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    let name = std::ffi::CString::new(name)?;
    // SAFETY: the name is a C string that outlives the call.
    let outcome = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
