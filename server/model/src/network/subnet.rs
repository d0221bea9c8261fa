use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 network in CIDR form. The first address after the network's own is
/// the gateway's (the bridge's), the last is the broadcast's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a subnet for containers; write a private network such as `10.88.0.0/16`, with a prefix from 8 to 29"
)]
pub struct InvalidSubnet(pub String);

impl Subnet {
    pub fn parse(text: &str) -> Result<Self, InvalidSubnet> {
        let invalid = || InvalidSubnet(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| invalid())?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|p| (8..=29).contains(p))
            .ok_or_else(invalid)?;
        Ok(Self::new(address, prefix))
    }

    const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let mask = u32::MAX << (32 - prefix);
        Self {
            network: Ipv4Addr::from_bits(address.to_bits() & mask),
            prefix,
        }
    }

    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + 1)
    }

    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | (u32::MAX >> self.prefix))
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        Self::new(address, self.prefix).network == self.network
    }

    pub fn overlaps(self, other: Self) -> bool {
        let wider = self.prefix.min(other.prefix);
        Self::new(self.network, wider) == Self::new(other.network, wider)
    }

    /// The addresses containers may have, in order.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.gateway().to_bits() + 1..self.broadcast().to_bits()).map(Ipv4Addr::from_bits)
    }

    /// The subnets tried for the default bridge, in order: `10.88.0.0/16` to `10.127.0.0/16`.
    pub fn candidates() -> impl Iterator<Item = Self> {
        (88..128).map(|second| Self::new(Ipv4Addr::new(10, second, 0, 0), 16))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_knows_its_addresses() {
        let subnet = Subnet::parse("10.88.7.9/29").expect("valid");
        assert_eq!(subnet.to_string(), "10.88.7.8/29");
        assert_eq!(subnet.gateway().to_string(), "10.88.7.9");
        assert_eq!(subnet.hosts().count(), 5);
        assert!(subnet.overlaps(Subnet::parse("10.88.0.0/16").expect("valid")));
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/4", "x/16", "10.0.0.0/31"] {
            assert!(Subnet::parse(text).is_err(), "{text}");
        }
    }
}
