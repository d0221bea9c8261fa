//! How a container reaches others and is reached.

pub mod port_mapping;
pub mod subnet;

pub use port_mapping::{PortMapping, Protocol};
pub use subnet::Subnet;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// The default bridge: an address of its own, NAT to the outside.
    #[default]
    Bridge,
    /// A loopback device and nothing else.
    None,
    /// The host's own network.
    Host,
}

/// What a container got on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: std::net::Ipv4Addr,
    pub prefix: u8,
    pub gateway: std::net::Ipv4Addr,
    pub mac: [u8; 6],
    /// The host's end of the cable.
    pub host_device: String,
}
