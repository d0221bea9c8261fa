//! Whether this host has what [`Network`](crate::Network) needs, tried out in a network
//! namespace of its own, which is gone afterwards: the host's own network stays as it is.

use crate::device::{self, Cable};
use crate::firewall::table::{self, TableError};
use crate::namespace;
use crate::netlink::{Connection, NetlinkError};
use model::network::Subnet;
use std::io;
use std::os::fd::AsFd as _;
use sys::netlink::Family;

/// What was tried. A part that needs one that failed is `None`.
#[derive(Debug)]
pub struct Probe {
    pub bridge: Result<(), NetlinkError>,
    pub cable: Option<Result<(), NetlinkError>>,
    pub table: Result<(), TableError>,
}

const BRIDGE: &str = "gantry-check";
const TABLE: &str = "gantry_check";

/// Tries everything with the same calls that are made for containers.
///
/// # Errors
/// When no network namespace can be made: without root, or on a kernel without them.
pub fn probe() -> io::Result<Probe> {
    let subnet = Subnet::candidates().next().ok_or(io::ErrorKind::NotFound)?;
    let (_, probe) = sys::network_namespace::within_new(|| try_all(subnet))?;
    probe
}

fn try_all(subnet: Subnet) -> io::Result<Probe> {
    let mut netlink = Connection::open(Family::Route)?;
    let bridge = device::ensure_bridge(&mut netlink, BRIDGE, subnet, None);
    let cable = bridge
        .as_ref()
        .ok()
        .map(|bridge| try_cable(&mut netlink, *bridge, subnet));
    Ok(Probe {
        bridge: bridge.map(drop),
        cable,
        table: table::lay(TABLE, BRIDGE, subnet),
    })
}

fn try_cable(netlink: &mut Connection, bridge: u32, subnet: Subnet) -> Result<(), NetlinkError> {
    let (other, _) = namespace::make().map_err(|error| NetlinkError::Answer(error.to_string()))?;
    device::create_cable(
        netlink,
        &Cable {
            host_device: "gantry-cable",
            alias: "check",
            bridge,
            mtu: None,
            namespace: other.as_fd(),
            container_device: "eth0",
            container_mac: device::mac_of(subnet.gateway()),
        },
    )
}
