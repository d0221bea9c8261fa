//! Keeping a port of the host from everyone else without serving it. ip(7)

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

/// Binds `address` and keeps it bound while the descriptor lives: whoever else
/// wants the port gets `EADDRINUSE`. The socket does not listen, so a connection
/// that reaches it is refused rather than left hanging. Port 0 takes a free one.
///
/// # Errors
/// `EADDRINUSE` when someone has the port, `EADDRNOTAVAIL` when the address is
/// not one of this host's.
pub fn hold(address: SocketAddrV4, transport: Transport) -> io::Result<(OwnedFd, SocketAddrV4)> {
    let socket = open(transport)?;
    match rustix::net::bind(&socket, &address) {
        Ok(()) => {}
        Err(rustix::io::Errno::ADDRINUSE) if transport == Transport::Tcp => {
            return hold_beside_old_connections(address);
        }
        Err(errno) => return Err(errno.into()),
    }
    let bound = bound_address(&socket)?;
    Ok((socket, bound))
}

/// Lets a held TCP port take connections. What these leave behind lets the port be held
/// again at once. listen(2)
pub fn listen(socket: &OwnedFd) -> io::Result<()> {
    const WAITING: i32 = 128;
    sockopt::set_socket_reuseaddr(socket, true)?;
    Ok(rustix::net::listen(socket, WAITING)?)
}

/// Connections that a former server of this port closed keep it for a minute
/// from whoever does not say that the address may be used again. Said only while
/// binding, it lets such leftovers pass, and no later listener.
fn hold_beside_old_connections(address: SocketAddrV4) -> io::Result<(OwnedFd, SocketAddrV4)> {
    let socket = open(Transport::Tcp)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    sockopt::set_socket_reuseaddr(&socket, false)?;
    let bound = bound_address(&socket)?;
    Ok((socket, bound))
}

fn open(transport: Transport) -> io::Result<OwnedFd> {
    let (kind, protocol) = match transport {
        Transport::Tcp => (SocketType::STREAM, ipproto::TCP),
        Transport::Udp => (SocketType::DGRAM, ipproto::UDP),
    };
    Ok(rustix::net::socket_with(
        AddressFamily::INET,
        kind,
        SocketFlags::CLOEXEC,
        Some(protocol),
    )?)
}

fn bound_address(socket: &OwnedFd) -> io::Result<SocketAddrV4> {
    let name = rustix::net::getsockname(socket)?;
    match SocketAddr::try_from(name) {
        Ok(SocketAddr::V4(address)) => Ok(address),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_held_port_is_refused_to_others() {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (held, address) = hold(any, Transport::Tcp).expect("a free port");
        assert_ne!(address.port(), 0);
        let taken = TcpListener::bind(address).expect_err("held");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let again = hold(address, Transport::Tcp).expect_err("held");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        drop(held);
        TcpListener::bind(address).expect("free again");
    }

    #[test]
    fn a_port_someone_serves_cannot_be_held() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let SocketAddr::V4(address) = server.local_addr().expect("bound") else {
            unreachable!("an IPv4 socket");
        };
        let taken = hold(address, Transport::Tcp).expect_err("served");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
