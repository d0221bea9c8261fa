//! Devices: the bridge, and the cable from it to each container.

use crate::netlink::{Change, Connection, NetlinkError};
use model::network::Subnet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind,
    InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Stats64,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel says about a device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) is_bridge: bool,
    /// The bridge it is plugged into.
    pub(crate) bridge: Option<u32>,
    pub(crate) mtu: Option<u32>,
    /// Free text beside the name: which container it belongs to.
    pub(crate) alias: Option<String>,
    pub(crate) statistics: Option<Stats64>,
}

/// A pair of devices, one here and one in a container's namespace.
pub(crate) struct Cable<'a> {
    pub(crate) host_device: &'a str,
    pub(crate) alias: &'a str,
    pub(crate) bridge: u32,
    pub(crate) mtu: Option<u32>,
    pub(crate) namespace: BorrowedFd<'a>,
    pub(crate) container_device: &'a str,
    pub(crate) container_mac: [u8; 6],
}

/// A hardware address that follows from the IP address, so that neighbours' tables stay right
/// when a container comes back with the same address. The second bit of the
/// first byte says that it is locally chosen.
pub(crate) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

pub(crate) fn find(netlink: &mut Connection, name: &str) -> Result<Option<Device>, NetlinkError> {
    match netlink.get(&RouteNetlinkMessage::GetLink(named(name))) {
        Ok(RouteNetlinkMessage::NewLink(link)) => Ok(Some(device(link))),
        Ok(_) => Err(NetlinkError::Answer("not a device".to_owned())),
        // ENODEV has no kind of its own.
        Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

const ENODEV: i32 = 19;

pub(crate) fn list(netlink: &mut Connection) -> Result<Vec<Device>, NetlinkError> {
    let links = netlink.list(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    Ok(links
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(device(link)),
            _ => None,
        })
        .collect())
}

/// Makes the bridge with the subnet's gateway as its address, or brings the one that is there
/// into that shape. Answers with its index.
pub(crate) fn ensure_bridge(
    netlink: &mut Connection,
    name: &str,
    subnet: Subnet,
    mtu: Option<u32>,
) -> Result<u32, NetlinkError> {
    if find(netlink, name)?.is_none() {
        let mut link = named(name);
        link.attributes
            .push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        // Without one of its own the bridge's address changes with the cables plugged in.
        link.attributes
            .push(LinkAttribute::Address(mac_of(subnet.gateway()).to_vec()));
        link.attributes.extend(mtu.map(LinkAttribute::Mtu));
        let create = Change::new(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL);
        match netlink.change(vec![create]) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let bridge = find(netlink, name)?
        .ok_or_else(|| NetlinkError::Answer(format!("the bridge `{name}` vanished while it was set up")))?;
    if !bridge.is_bridge {
        return Err(NetlinkError::Answer(format!(
            "there is a device `{name}` that is no bridge; remove it with `ip link delete {name}`"
        )));
    }
    let mut changes = no_ipv6_address(bridge.index);
    changes.push(up(bridge.index));
    changes.extend(
        foreign_addresses(netlink, bridge.index, subnet)?
            .into_iter()
            .map(|address| Change::new(RouteNetlinkMessage::DelAddress(address), 0).optional()),
    );
    changes.push(add_address(
        bridge.index,
        subnet.gateway(),
        subnet.prefix(),
        Some(subnet.broadcast()),
    ));
    netlink.change(changes)?;
    Ok(bridge.index)
}

/// Makes the cable, plugged into the bridge and up at the host's end; the other end lies in the
/// namespace, down.
pub(crate) fn create_cable(netlink: &mut Connection, cable: &Cable<'_>) -> Result<(), NetlinkError> {
    let mut peer = named(cable.container_device);
    peer.attributes
        .push(LinkAttribute::NetNsFd(cable.namespace.as_raw_fd()));
    peer.attributes
        .push(LinkAttribute::Address(cable.container_mac.to_vec()));
    peer.attributes.extend(cable.mtu.map(LinkAttribute::Mtu));
    let mut link = named(cable.host_device);
    link.attributes.extend(cable.mtu.map(LinkAttribute::Mtu));
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    let create = Change::new(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL);
    netlink.change(vec![create])?;

    let mut label = named(cable.host_device);
    label.attributes.push(LinkAttribute::IfAlias(cable.alias.to_owned()));
    let mut quiet = named(cable.host_device);
    quiet.attributes.push(no_generated_address());
    let mut plug = named(cable.host_device);
    plug.attributes.push(LinkAttribute::Controller(cable.bridge));
    plug.header.flags = LinkFlags::Up;
    plug.header.change_mask = LinkFlags::Up;
    let finish = vec![
        Change::new(RouteNetlinkMessage::SetLink(label), 0),
        Change::new(RouteNetlinkMessage::SetLink(quiet), 0).optional(),
        Change::new(RouteNetlinkMessage::SetLink(plug), 0),
        Change::new(RouteNetlinkMessage::NewLink(reflecting(named(cable.host_device))), 0),
    ];
    netlink.change(finish).inspect_err(|_| {
        let _ = remove(netlink, cable.host_device);
    })
}

/// Plugs a device into the bridge again.
pub(crate) fn plug(netlink: &mut Connection, device: u32, bridge: u32) -> Result<(), NetlinkError> {
    let mut link = indexed(device);
    link.attributes.push(LinkAttribute::Controller(bridge));
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    netlink.change(vec![
        Change::new(RouteNetlinkMessage::SetLink(link), 0),
        Change::new(RouteNetlinkMessage::NewLink(reflecting(indexed(device))), 0),
    ])
}

/// Lets the bridge send a frame back where it came from. Where `br_netfilter` is loaded, the
/// bridge itself leads packets to published ports, and a container that asks for its own would
/// get no answer.
fn reflecting(mut link: LinkMessage) -> LinkMessage {
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])),
    ]));
    link
}

/// Removes a device; one that is not there is no failure.
pub(crate) fn remove(netlink: &mut Connection, name: &str) -> Result<(), NetlinkError> {
    let delete = Change::new(RouteNetlinkMessage::DelLink(named(name)), 0);
    match netlink.change(vec![delete]) {
        Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(ENODEV) => Ok(()),
        other => other,
    }
}

/// Brings the loopback device of the connection's namespace up. It always has index 1.
pub(crate) fn start_loopback(netlink: &mut Connection) -> Result<(), NetlinkError> {
    netlink.change(vec![up(1)])
}

/// Gives the container's end its address and the way out.
pub(crate) fn configure(
    netlink: &mut Connection,
    device: &str,
    address: Ipv4Addr,
    subnet: Subnet,
) -> Result<(), NetlinkError> {
    let index = find(netlink, device)?
        .ok_or_else(|| NetlinkError::Answer(format!("the device `{device}` is not in the namespace")))?
        .index;
    let mut changes = no_ipv6_address(index);
    changes.push(up(1));
    changes.push(up(index));
    changes.push(add_address(index, address, subnet.prefix(), Some(subnet.broadcast())));
    changes.push(default_route(subnet.gateway()));
    netlink.change(changes)
}

/// The IPv4 addresses of a device.
fn foreign_addresses(
    netlink: &mut Connection,
    device: u32,
    subnet: Subnet,
) -> Result<Vec<AddressMessage>, NetlinkError> {
    let own = AddressAttribute::Local(IpAddr::V4(subnet.gateway()));
    Ok(addresses(netlink)?
        .into_iter()
        .filter(|address| address.header.index == device)
        .filter(|address| address.header.prefix_len != subnet.prefix() || !address.attributes.contains(&own))
        .collect())
}

/// All IPv4 addresses of the host.
pub(crate) fn addresses(netlink: &mut Connection) -> Result<Vec<AddressMessage>, NetlinkError> {
    let mut wanted = AddressMessage::default();
    wanted.header.family = AddressFamily::Inet;
    let all = netlink.list(&RouteNetlinkMessage::GetAddress(wanted))?;
    Ok(all
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(address) => Some(address),
            _ => None,
        })
        .collect())
}

/// All IPv4 routes of the host, of every table.
pub(crate) fn routes(netlink: &mut Connection) -> Result<Vec<RouteMessage>, NetlinkError> {
    let mut wanted = RouteMessage::default();
    wanted.header.address_family = AddressFamily::Inet;
    let all = netlink.list(&RouteNetlinkMessage::GetRoute(wanted))?;
    Ok(all
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        })
        .collect())
}

fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_owned()));
    link
}

fn indexed(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link
}

fn up(index: u32) -> Change {
    let mut link = indexed(index);
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    Change::new(RouteNetlinkMessage::SetLink(link), 0)
}

/// Container networks are IPv4 only for now: a link-local address of the other kind would only
/// make traffic nobody asked for. Must come before the device is up; a host without IPv6 refuses it.
fn no_ipv6_address(index: u32) -> Vec<Change> {
    let mut link = indexed(index);
    link.attributes.push(no_generated_address());
    vec![Change::new(RouteNetlinkMessage::SetLink(link), 0).optional()]
}

fn no_generated_address() -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
        In6AddrGenMode::None,
    )])])
}

fn add_address(index: u32, address: Ipv4Addr, prefix: u8, broadcast: Option<Ipv4Addr>) -> Change {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index;
    message.header.prefix_len = prefix;
    message.attributes.push(AddressAttribute::Local(IpAddr::V4(address)));
    message.attributes.push(AddressAttribute::Address(IpAddr::V4(address)));
    message.attributes.extend(broadcast.map(AddressAttribute::Broadcast));
    Change::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
}

fn default_route(gateway: Ipv4Addr) -> Change {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message
        .attributes
        .push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
    Change::new(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
}

fn device(link: LinkMessage) -> Device {
    let mut device = Device {
        index: link.header.index,
        name: String::new(),
        is_bridge: false,
        bridge: None,
        mtu: None,
        alias: None,
        statistics: None,
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name = name,
            LinkAttribute::IfAlias(alias) => device.alias = Some(alias),
            LinkAttribute::Controller(index) => device.bridge = Some(index),
            LinkAttribute::Mtu(mtu) => device.mtu = Some(mtu),
            LinkAttribute::Stats64(statistics) => device.statistics = Some(statistics),
            LinkAttribute::LinkInfo(infos) => {
                device.is_bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
            }
            _ => {}
        }
    }
    device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardware_address_follows_from_the_ip_address() {
        assert_eq!(mac_of(Ipv4Addr::new(10, 88, 0, 2)), [0x02, 0x42, 10, 88, 0, 2]);
    }
}
