//! Networks, ports and names.

use super::super::problem::Failure;
use bollard_stubs::models::{EndpointSettings, HostConfig, NetworkingConfig, PortBinding};
use engine::NewContainer;
use model::network::{NetworkMode, PortMapping, Protocol, Subnet};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn network(host: &HostConfig, container: &mut NewContainer) -> Result<(), Failure> {
    let network = &mut container.network;
    network.mode = mode(host.network_mode.as_deref().unwrap_or_default())?;
    network.publish_all = host.publish_all_ports.unwrap_or(false);
    network.dns = host.dns.clone().unwrap_or_default();
    network.dns_search = host.dns_search.clone().unwrap_or_default();
    network.dns_options = host.dns_options.clone().unwrap_or_default();
    network.extra_hosts = host.extra_hosts.clone().unwrap_or_default();
    if host.links.as_ref().is_some_and(|links| !links.is_empty()) {
        return Err(Failure::unsupported("HostConfig.Links"));
    }
    let mut ports = Vec::new();
    for (container_port, bindings) in host.port_bindings.iter().flatten() {
        let (container_port, protocol) = parse_port(container_port)?;
        for binding in bindings.iter().flatten() {
            ports.push(mapping(container_port, protocol, binding)?);
        }
    }
    ports.sort_by_key(|port: &PortMapping| (port.container_port, port.protocol, port.host_port));
    network.ports = ports;
    Ok(())
}

/// A network by the name that a request has for it.
pub(super) fn mode(name: &str) -> Result<NetworkMode, Failure> {
    match name {
        "" | "default" | "bridge" => Ok(NetworkMode::Bridge),
        "host" => Ok(NetworkMode::Host),
        "none" => Ok(NetworkMode::None),
        _ if name.starts_with("container:") => Err(Failure::unsupported("HostConfig.NetworkMode container:")),
        _ => Err(Failure::not_found(format!("network {name} not found"))),
    }
}

/// What is asked of the one endpoint, in the network of the container's mode, beyond being
/// there: its address on the link, by network.
pub(super) fn networking(
    config: Option<NetworkingConfig>,
    of_container: &NetworkMode,
) -> Result<Vec<(String, String)>, Failure> {
    let mut mac_addresses = Vec::new();
    let endpoints = config.and_then(|config| config.endpoints_config).unwrap_or_default();
    if endpoints.len() > 1 {
        let mut names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        names.sort_unstable();
        return Err(Failure::invalid(format!(
            "Container cannot be connected to network endpoints: {}",
            names.join(", ")
        )));
    }
    for (name, endpoint) in endpoints {
        if mode(&name)? != *of_container {
            return Err(Failure::invalid(format!(
                "conflicting options: NetworkingConfig.EndpointsConfig names the network {name}, HostConfig.NetworkMode another"
            )));
        }
        let EndpointSettings {
            ipam_config,
            links,
            mac_address,
            aliases,
            driver_opts,
            gw_priority,
            // What follows is told by the engine, not asked for.
            network_id: _,
            endpoint_id: _,
            gateway: _,
            ip_address: _,
            ip_prefix_len: _,
            ipv6_gateway: _,
            global_ipv6_address: _,
            global_ipv6_prefix_len: _,
            dns_names: _,
        } = endpoint;
        let asks = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let refused = [
            (
                "IPAMConfig",
                ipam_config.is_some_and(|ipam| {
                    ipam.ipv4_address.is_some_and(|address| !address.is_empty())
                        || ipam.ipv6_address.is_some_and(|address| !address.is_empty())
                        || asks(&ipam.link_local_ips)
                }),
            ),
            ("Links", asks(&links)),
            ("Aliases", asks(&aliases)),
            ("DriverOpts", driver_opts.is_some_and(|options| !options.is_empty())),
            ("GwPriority", gw_priority.is_some_and(|priority| priority != 0)),
        ];
        if let Some((field, _)) = refused.into_iter().find(|(_, refused)| *refused) {
            return Err(Failure::unsupported(&format!(
                "NetworkingConfig.EndpointsConfig.{name}.{field}"
            )));
        }
        mac_addresses.extend(mac_address.filter(|mac| !mac.is_empty()).map(|mac| (name, mac)));
    }
    Ok(mac_addresses)
}

/// Whether the engine gives this address to containers in `subnet`: it is made of the container's
/// IP address. It is shown in inspections and asks for nothing when it is sent back.
pub(super) fn is_generated_mac(text: &str, subnet: Subnet) -> bool {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    match bytes.as_deref() {
        Some(&[0x02, 0x42, a, b, c, d]) => subnet.contains(Ipv4Addr::new(a, b, c, d)),
        _ => false,
    }
}

/// `80/tcp` or `80`.
fn parse_port(text: &str) -> Result<(u16, Protocol), Failure> {
    let invalid = || Failure::invalid(format!("invalid port specification: \"{text}\""));
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)?;
    let protocol = Protocol::parse(protocol).map_err(|error| Failure::invalid(error.to_string()))?;
    Ok((port, protocol))
}

fn mapping(container_port: u16, protocol: Protocol, binding: &PortBinding) -> Result<PortMapping, Failure> {
    let host_address = match binding.host_ip.as_deref() {
        None | Some("" | "0.0.0.0") => None,
        Some(address) => Some(
            address
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<IpAddr>()
                .map_err(|_| Failure::invalid(format!("invalid IP address: {address}")))?,
        ),
    };
    let host_port = match binding.host_port.as_deref() {
        None | Some("") => 0,
        Some(port) if port.contains('-') => {
            return Err(Failure::unsupported(&format!(
                "HostConfig.PortBindings with a range ({port}) for one port"
            )));
        }
        Some(port) => port
            .parse()
            .map_err(|_| Failure::invalid(format!("invalid port specification: \"{port}\"")))?,
    };
    Ok(PortMapping {
        host_address,
        host_port,
        container_port,
        protocol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_bindings_become_mappings() {
        let binding = |ip: &str, port: &str| PortBinding {
            host_ip: Some(ip.to_owned()),
            host_port: Some(port.to_owned()),
        };
        let read = |ip, port| mapping(80, Protocol::Tcp, &binding(ip, port)).map(|mapping| mapping.to_string());
        assert_eq!(read("", "8080").expect("valid"), "8080:80/tcp");
        assert_eq!(read("127.0.0.1", "").expect("valid"), "127.0.0.1:0:80/tcp");
        assert!(read("x", "1").is_err() && read("", "1-2").is_err() && read("", "x").is_err());
        assert!(parse_port("80/sctp").is_err() && parse_port("0").is_err());
    }

    #[test]
    fn an_address_of_the_engine_is_told_from_one_that_is_asked_for() {
        let subnet = Subnet::parse("10.88.0.0/16").expect("a subnet");
        assert!(is_generated_mac("02:42:0a:58:00:02", subnet));
        for asked in ["02:42:ac:11:00:02", "92:d0:c6:0a:29:33", "02:42:0a:58:00", "x"] {
            assert!(!is_generated_mac(asked, subnet), "{asked}");
        }
    }

    #[test]
    fn an_unknown_network_is_not_found() {
        assert_eq!(
            mode("web").expect_err("unknown"),
            Failure::not_found("network web not found")
        );
    }
}
