//! What the host's own network looks like, and the few settings it needs.

use crate::device;
use crate::netlink::{Connection, NetlinkError};
use model::network::Subnet;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::route::{RouteAddress, RouteAttribute};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::{fs, path::PathBuf};
use sys::netlink::Family;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("cannot read the host's addresses and routes: {0}")]
    Read(#[source] NetlinkError),
    #[error("cannot set `{file}` to `{value}`: {source}")]
    Setting {
        file: PathBuf,
        value: String,
        source: io::Error,
    },
}

/// The first of [`Subnet::candidates`] that meets no address or route of the host; `None` when
/// each does.
pub(crate) fn free_subnet() -> Result<Option<Subnet>, HostError> {
    let mut netlink = Connection::open(Family::Route).map_err(|error| HostError::Read(error.into()))?;
    let taken = taken(&mut netlink, None)?;
    Ok(Subnet::candidates().find(|candidate| !taken.iter().any(|taken| taken.meets(*candidate))))
}

/// What of the host's network has addresses of `subnet`, in words for people. The device named
/// `own` is left out with its routes: it is the one that the subnet is for.
pub(crate) fn overlap(subnet: Subnet, own: &str) -> Result<Option<String>, HostError> {
    let mut netlink = Connection::open(Family::Route).map_err(|error| HostError::Read(error.into()))?;
    let devices = device::list(&mut netlink).map_err(HostError::Read)?;
    let own = devices
        .iter()
        .find(|device| device.name == own)
        .map(|device| device.index);
    let taken = taken(&mut netlink, own)?;
    let found = taken.into_iter().find(|taken| taken.meets(subnet));
    Ok(found.map(|taken| {
        let device = devices.iter().find(|device| Some(device.index) == taken.device);
        let device = device.map_or_else(|| "no device".to_owned(), |device| format!("`{}`", device.name));
        match taken.kind {
            TakenBy::Address => format!("the address {}/{} of {device}", taken.address, taken.prefix),
            TakenBy::Route => format!("the route to {}/{} by {device}", taken.address, taken.prefix),
        }
    }))
}

/// The host's IPv4 addresses.
pub(crate) fn addresses() -> Result<Vec<Ipv4Addr>, HostError> {
    let mut netlink = Connection::open(Family::Route).map_err(|error| HostError::Read(error.into()))?;
    let addresses = device::addresses(&mut netlink).map_err(HostError::Read)?;
    let all = addresses.into_iter().flat_map(|message| message.attributes);
    Ok(all
        .filter_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(address),
            _ => None,
        })
        .collect())
}

/// The MTU of the device that leads to the default gateway: what containers send must fit.
pub(crate) fn uplink_mtu(netlink: &mut Connection) -> Result<Option<u32>, HostError> {
    let routes = device::routes(netlink).map_err(HostError::Read)?;
    let uplink = routes
        .iter()
        .filter(|route| route.header.destination_prefix_length == 0)
        .flat_map(|route| &route.attributes)
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        });
    let Some(uplink) = uplink else { return Ok(None) };
    let devices = device::list(netlink).map_err(HostError::Read)?;
    Ok(devices
        .into_iter()
        .find(|device| device.index == uplink)
        .and_then(|device| device.mtu))
}

/// Lets the host pass packets between its devices; answers whether that had to be turned on.
pub(crate) fn turn_on_forwarding() -> Result<bool, HostError> {
    let file = PathBuf::from("/proc/sys/net/ipv4/ip_forward");
    if fs::read_to_string(&file).is_ok_and(|value| value.trim() == "1") {
        return Ok(false);
    }
    set(file, "1")?;
    Ok(true)
}

/// Lets packets between the host's loopback addresses and the bridge's containers pass: ports
/// published on 127.0.0.1 need it. The table drops what containers could make of it.
pub(crate) fn route_loopback(bridge: &str) -> Result<(), HostError> {
    set(
        PathBuf::from(format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet")),
        "1",
    )
}

fn set(file: PathBuf, value: &str) -> Result<(), HostError> {
    fs::write(&file, value).map_err(|source| HostError::Setting {
        file,
        value: value.to_owned(),
        source,
    })
}

/// A VPN writes a default route as two halves: `0.0.0.0/1` and `128.0.0.0/1`. Like one of
/// length 0 it means "everything else", and meets nothing.
const LARGEST_DEFAULT: u8 = 1;

/// A network the host knows already.
#[derive(Debug, Clone, Copy)]
struct Taken {
    address: Ipv4Addr,
    prefix: u8,
    kind: TakenBy,
    /// Its index.
    device: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenBy {
    Address,
    Route,
}

impl Taken {
    fn meets(self, subnet: Subnet) -> bool {
        let wider = self.prefix.min(subnet.prefix());
        let mask = u32::MAX.checked_shl(32 - u32::from(wider)).unwrap_or(0);
        self.address.to_bits() & mask == subnet.network().to_bits() & mask
    }
}

/// Every address and route, but for those of the device `without`, addresses first.
fn taken(netlink: &mut Connection, without: Option<u32>) -> Result<Vec<Taken>, HostError> {
    let addresses = device::addresses(netlink).map_err(HostError::Read)?;
    let addresses = addresses.into_iter().flat_map(|message| {
        let (prefix, device) = (message.header.prefix_len, Some(message.header.index));
        message
            .attributes
            .into_iter()
            .filter_map(move |attribute| match attribute {
                AddressAttribute::Address(IpAddr::V4(address)) | AddressAttribute::Local(IpAddr::V4(address)) => {
                    Some(Taken {
                        address,
                        prefix,
                        kind: TakenBy::Address,
                        device,
                    })
                }
                _ => None,
            })
    });
    let routes = device::routes(netlink).map_err(HostError::Read)?;
    let routes = routes.into_iter().flat_map(|message| {
        let prefix = message.header.destination_prefix_length;
        let device = message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        });
        message
            .attributes
            .into_iter()
            .filter_map(move |attribute| match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) if prefix > LARGEST_DEFAULT => Some(Taken {
                    address,
                    prefix,
                    kind: TakenBy::Route,
                    device,
                }),
                _ => None,
            })
    });
    let all = addresses.chain(routes);
    Ok(all
        .filter(|taken| without.is_none() || taken.device != without)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_and_narrower_networks_meet() {
        let subnet = Subnet::parse("10.88.0.0/16").expect("valid");
        let taken = |a, b, c, d, prefix| Taken {
            address: Ipv4Addr::new(a, b, c, d),
            prefix,
            kind: TakenBy::Route,
            device: None,
        };
        assert!(taken(10, 0, 0, 0, 8).meets(subnet));
        assert!(taken(10, 88, 7, 1, 32).meets(subnet));
        assert!(!taken(10, 89, 0, 0, 16).meets(subnet));
    }
}
