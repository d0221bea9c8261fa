//! Namespaces. namespaces(7)

use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags};
use std::io;
use std::os::fd::AsFd;

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
