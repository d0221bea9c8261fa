//! Namespaces. namespaces(7)

use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

pub const MOUNT: u64 = libc::CLONE_NEWNS as u64;
pub const CGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
pub const UTS: u64 = libc::CLONE_NEWUTS as u64;
pub const IPC: u64 = libc::CLONE_NEWIPC as u64;
pub const USER: u64 = libc::CLONE_NEWUSER as u64;
pub const PID: u64 = libc::CLONE_NEWPID as u64;
pub const NETWORK: u64 = libc::CLONE_NEWNET as u64;
pub const TIME: u64 = 0x80;

/// Leaves the caller's cgroup namespace for a new one, rooted where the caller is.
pub fn unshare_cgroup() -> io::Result<()> {
    // SAFETY: the flag concerns the cgroup namespace alone, no memory or descriptors.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }?)
}

/// Whether this kernel has namespaces of clocks. time_namespaces(7)
pub fn has_time() -> bool {
    std::fs::exists("/proc/self/ns/time").unwrap_or(false)
}

/// Whether one can be made, too: 0 in `user.max_time_namespaces` forbids it.
/// namespaces(7), "The /proc/sys/user directory"
pub fn may_have_time() -> bool {
    let most = std::fs::read_to_string("/proc/sys/user/max_time_namespaces");
    has_time() && most.is_ok_and(|most| most.trim() != "0")
}

/// Makes a time namespace, whose clocks can be set off until [`enter_new_time`].
/// time_namespaces(7)
pub fn unshare_time() -> io::Result<()> {
    // SAFETY: the flag concerns the time namespace of children alone.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWTIME) }?)
}

/// Enters what [`unshare_time`] made: by itself only children would be in it, and what is
/// executed only since Linux 6.1.
pub fn enter_new_time() -> io::Result<()> {
    enter(std::fs::File::open("/proc/self/ns/time_for_children")?, TIME)
}

/// The type of the namespace that `handle` means, one of the bits above.
/// ioctl_ns(2), `NS_GET_NSTYPE`
///
/// # Errors
/// `ENOTTY` when it is no namespace.
pub fn kind_of(handle: impl AsFd) -> io::Result<u64> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: this ioctl takes no argument and touches no memory.
    let kind = unsafe { libc::ioctl(handle.as_fd().as_raw_fd(), NS_GET_NSTYPE) };
    u64::try_from(kind).map_err(|_| io::Error::last_os_error())
}

/// Whether a process is in the same namespace as the caller; `name` as in
/// `/proc/PID/ns`.
pub fn is_shared_with(pid: i32, name: &str) -> io::Result<bool> {
    let of = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/{name}"));
    Ok(of(&pid.to_string())? == of("self")?)
}

/// Enters one namespace, which must be of the type that `kind` names. setns(2)
pub fn enter(namespace: impl AsFd, kind: u64) -> io::Result<()> {
    let kind = match kind {
        MOUNT => LinkNameSpaceType::Mount,
        CGROUP => LinkNameSpaceType::ControlGroup,
        UTS => LinkNameSpaceType::HostNameAndNISDomainName,
        IPC => LinkNameSpaceType::InterProcessCommunication,
        USER => LinkNameSpaceType::User,
        PID => LinkNameSpaceType::ProcessID,
        NETWORK => LinkNameSpaceType::Network,
        TIME => LinkNameSpaceType::Time,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    Ok(rustix::thread::move_into_link_name_space(
        namespace.as_fd(),
        Some(kind),
    )?)
}

/// Enters those namespaces of a process that `kinds` names, all at once or none.
/// The pid namespace is that of children only.
pub fn enter_those_of(pidfd: impl AsFd, kinds: u64) -> io::Result<()> {
    let kinds = ThreadNameSpaceType::from_bits_retain(kinds as u32);
    Ok(rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), kinds)?)
}

pub fn set_hostname(name: &str) -> io::Result<()> {
    Ok(rustix::system::sethostname(name.as_bytes())?)
}

pub fn set_domainname(name: &str) -> io::Result<()> {
    Ok(rustix::system::setdomainname(name.as_bytes())?)
}
