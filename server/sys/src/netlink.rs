//! Netlink sockets: how the kernel is told about devices, addresses, routes and
//! packet filters. netlink(7). Messages are the caller's; this only carries them.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long an answer may take. The kernel answers while it is being asked, so
/// this is only met when an answer was lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A batch with thousands of elements must fit into one message.
const SEND_BUFFER_BYTES: usize = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Devices, addresses, routes. rtnetlink(7).
    Route,
    /// nftables and connection tracking.
    Netfilter,
}

/// A socket of the network namespace of the thread that opened it; it stays
/// with that namespace whichever thread uses it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => None,
            Family::Netfilter => Some(netlink::NETFILTER),
        };
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(ANSWER_WITHIN))?;
        // Needs CAP_NET_ADMIN, without which nothing else here works either.
        let _ = sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER_BYTES);
        let socket = Self { fd };
        // Older kernels lack them; then errors come without words, and acks with their request.
        let _ = socket.set(libc::NETLINK_EXT_ACK);
        let _ = socket.set(libc::NETLINK_CAP_ACK);
        Ok(socket)
    }

    /// [`Socket::open`] in the network `namespace`: the calling thread goes there and back.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` over it. Where the way back fails the thread is
    /// lost: it is in the other namespace then, and the error says so.
    pub fn open_in(namespace: BorrowedFd<'_>, family: Family) -> io::Result<Self> {
        let own = crate::network_namespace::current()?;
        crate::namespace::enter(namespace, crate::namespace::NETWORK)?;
        let opened = Self::open(family);
        crate::namespace::enter(own.as_fd(), crate::namespace::NETWORK)
            .map_err(|error| io::Error::other(format!("cannot come back to the own network namespace: {error}")))?;
        opened
    }

    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        let sent = rustix::net::sendto(&self.fd, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        if sent == message.len() {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::WriteZero))
        }
    }

    /// Reads one datagram into `buffer`, which is replaced. A datagram holds one
    /// or more messages.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        // The kernel's dumps come in pieces of at most 32 KiB.
        buffer.resize(64 << 10, 0);
        let (length, _) = rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::empty())?;
        buffer.truncate(length);
        Ok(())
    }

    fn set(&self, option: libc::c_int) -> io::Result<()> {
        let on: libc::c_int = 1;
        // SAFETY: the option's value is one c_int, which lives during the call,
        // and its length is given.
        let done = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}
