//! Flows of datagrams that the kernel remembers. A flow goes where its first
//! datagram went, as long as more come: one that began before a port was
//! published, or while another container had it, must be forgotten. TCP has no
//! such flows, for its connections end. Messages of the connection tracking
//! subsystem (linux/netfilter/nfnetlink_conntrack.h).

use super::elements::{FAMILY_IPV4, protocol_number, write_message};
use super::{Element, Key};
use crate::attribute;
use crate::netlink::{Connection, NetlinkError};
use model::network::{Protocol, Subnet};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use sys::netlink::Family;

const SUBSYSTEM: u16 = 1;
const GET: u16 = SUBSYSTEM << 8 | 0x1;
const DELETE: u16 = SUBSYSTEM << 8 | 0x2;
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PORTS: u16 = 2;
const ADDRESS_SOURCE: u16 = 1;
const ADDRESS_DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PORT_SOURCE: u16 = 2;
const PORT_DESTINATION: u16 = 3;

/// One direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tuple {
    from: SocketAddrV4,
    to: SocketAddrV4,
}

/// Forgets every flow to one of the published ports that goes elsewhere than it
/// should now. `local`: the host's addresses.
pub(crate) fn forget_stale(
    published: &HashMap<Key, Element>,
    subnet: Subnet,
    local: &[Ipv4Addr],
) -> Result<usize, NetlinkError> {
    let mut datagrams = published.keys().filter(|key| key.protocol == Protocol::Udp);
    if datagrams.next().is_none() {
        return Ok(0);
    }
    let mut netlink = Connection::open(Family::Netfilter)?;
    let mut stale = Vec::new();
    let sequence = netlink.next_sequence();
    let mut bytes = Vec::new();
    write_message(&mut bytes, GET, REQUEST | DUMP, sequence, FAMILY_IPV4, |_| {});
    netlink.dump(&bytes, sequence, |message| {
        let attributes = message.body.get(4..).unwrap_or_default();
        let original = attribute::find(attributes, TUPLE_ORIGINAL);
        let reply = attribute::find(attributes, TUPLE_REPLY).and_then(read_tuple);
        if let (Some(original), Some(reply)) = (original, reply)
            && let Some(wanted) = read_tuple(original)
            && is_stale(&wanted, &reply, published, subnet, local)
        {
            stale.push(original.to_vec());
        }
        Ok(())
    })?;
    for original in &stale {
        let sequence = netlink.next_sequence();
        let mut bytes = Vec::new();
        write_message(
            &mut bytes,
            DELETE,
            REQUEST | ACKNOWLEDGE,
            sequence,
            FAMILY_IPV4,
            |bytes| {
                attribute::write_nested(bytes, TUPLE_ORIGINAL, |bytes| bytes.extend_from_slice(original));
            },
        );
        for answer in netlink.exchange(&bytes, sequence, 1)? {
            match answer {
                // It ended by itself meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(stale.len())
}

/// Whether a flow is to a published port, and is answered by another than the container.
fn is_stale(
    original: &Tuple,
    reply: &Tuple,
    published: &HashMap<Key, Element>,
    subnet: Subnet,
    local: &[Ipv4Addr],
) -> bool {
    let to = original.to;
    let key = |address| Key {
        address,
        protocol: Protocol::Udp,
        port: to.port(),
    };
    let is_local = to.ip().is_loopback() || local.contains(to.ip());
    let element = published
        .get(&key(Some(*to.ip())))
        .or_else(|| published.get(&key(None)).filter(|_| is_local));
    let led_or_not_at_all = reply.from == to || subnet.contains(*reply.from.ip());
    element.is_some_and(|element| element.target != reply.from) && led_or_not_at_all
}

/// `None` for what is not UDP over IPv4.
fn read_tuple(bytes: &[u8]) -> Option<Tuple> {
    let addresses = attribute::find(bytes, TUPLE_ADDRESSES)?;
    let ports = attribute::find(bytes, TUPLE_PORTS)?;
    if attribute::find(ports, PROTOCOL_NUMBER)? != [protocol_number(Protocol::Udp)] {
        return None;
    }
    let end = |address, port| {
        let address: [u8; 4] = attribute::find(addresses, address)?.try_into().ok()?;
        let port: [u8; 2] = attribute::find(ports, port)?.try_into().ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(address), u16::from_be_bytes(port)))
    };
    Some(Tuple {
        from: end(ADDRESS_SOURCE, PORT_SOURCE)?,
        to: end(ADDRESS_DESTINATION, PORT_DESTINATION)?,
    })
}
