//! Network namespaces for containers, held by a descriptor: nothing of them is in the host's
//! mount table, and they vanish with the last who holds them.

use crate::device;
use crate::netlink::{Connection, NetlinkError};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use sys::netlink::Family;

#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    #[error("cannot make a network namespace: {0}; it needs root and a kernel with CONFIG_NET_NS")]
    Make(#[source] io::Error),
    #[error("cannot enter the network namespace of a container: {0}")]
    Enter(#[source] io::Error),
    #[error("cannot bring up the loopback device of a network namespace: {0}")]
    Loopback(#[source] NetlinkError),
}

/// A namespace with a loopback device and nothing else.
pub fn empty() -> Result<OwnedFd, NamespaceError> {
    let (namespace, mut netlink) = make()?;
    device::start_loopback(&mut netlink).map_err(NamespaceError::Loopback)?;
    Ok(namespace)
}

/// Runs `work` in a namespace, or where the caller is.
pub(crate) fn within<T: Send>(
    namespace: Option<&OwnedFd>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NamespaceError> {
    match namespace {
        Some(namespace) => sys::network_namespace::within(namespace.as_fd(), work).map_err(NamespaceError::Enter),
        None => Ok(work()),
    }
}

/// Brings up the loopback device of a namespace that is there already.
pub fn start_loopback(namespace: &OwnedFd) -> Result<(), NamespaceError> {
    device::start_loopback(&mut enter(namespace)?).map_err(NamespaceError::Loopback)
}

/// A connection that speaks with a namespace that is there already.
pub(crate) fn enter(namespace: &OwnedFd) -> Result<Connection, NamespaceError> {
    let entered = sys::network_namespace::within(namespace.as_fd(), || Connection::open(Family::Route));
    entered.and_then(|netlink| netlink).map_err(NamespaceError::Enter)
}

/// A namespace in which nothing is up yet, and a connection that speaks with it.
pub(crate) fn make() -> Result<(OwnedFd, Connection), NamespaceError> {
    let (namespace, netlink) =
        sys::network_namespace::within_new(|| Connection::open(Family::Route)).map_err(NamespaceError::Make)?;
    Ok((namespace, netlink.map_err(NamespaceError::Make)?))
}
