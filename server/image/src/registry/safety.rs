//! Where a registry may send us: never from outside into the host or its networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `host` (a name or an address, perhaps with a port) is this host itself,
/// for which plain HTTP is fine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `host` is an address that only the inside should reach: loopback,
/// private, link-local (cloud metadata too) and the like.
pub(crate) fn is_inside(host: &str) -> bool {
    let name = name_of(host).trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal") {
        return true;
    }
    name.parse().is_ok_and(is_inside_address)
}

pub(crate) fn is_inside_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || within(address).is_some_and(is_inside_v4)
        }
    }
}

/// The address of version 4 that one of version 6 leads to: mapped and compatible ones
/// (RFC 4291, 2.5.5), and those of translators (RFC 6052, 2.1).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] = octets else {
        return address.to_ipv4();
    };
    Some(Ipv4Addr::new(a, b, c, d))
}

/// As [`is_inside`], also for names that mean such an address.
pub(crate) async fn leads_inside(host: &str) -> bool {
    if is_inside(host) {
        return true;
    }
    match tokio::net::lookup_host((name_of(host), 0)).await {
        Ok(mut found) => found.any(|address| is_inside_address(address.ip())),
        Err(_) => false,
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        // This network, 0.0.0.0/8.
        || address.octets()[0] == 0
        || address.is_broadcast()
        || address.is_multicast()
        // Shared address space of carriers: 100.64.0.0/10.
        || (address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64)
}

pub(crate) fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_is_known_in_all_its_spellings() {
        for host in [
            "127.0.0.1:5000",
            "localhost",
            "[::1]:80",
            "10.1.2.3",
            "169.254.169.254",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[fe80::1]",
            "0.1.2.3",
            "localhost.",
            "metadata.google.internal",
        ] {
            assert!(is_inside(host), "{host}");
        }
        for host in ["registry-1.docker.io", "8.8.8.8", "[2606:4700::1]:443"] {
            assert!(!is_inside(host), "{host}");
        }
        assert!(is_loopback("localhost:5000") && !is_loopback("10.0.0.1"));
    }
}
