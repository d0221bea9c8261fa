use std::fmt;
use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A port of the host that leads to one of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortMapping {
    /// `None` is every address of the host.
    pub host_address: Option<IpAddr>,
    /// 0 has a free port chosen at each start.
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPortMapping {
    #[error("`{0}` is not a port mapping; write `8080:80`, `127.0.0.1:8080:80/tcp` or `8000-8010:80-90`")]
    Form(String),
    #[error("port `{0}` is not between 1 and 65535")]
    Port(String),
    #[error("`{0}` is not an IP address of the host")]
    Address(String),
    #[error("protocol `{0}` is not `tcp` or `udp`")]
    Protocol(String),
    #[error("port ranges `{host}` and `{container}` are not of one length")]
    RangeLength { host: String, container: String },
}

impl Protocol {
    pub fn parse(text: &str) -> Result<Self, InvalidPortMapping> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(InvalidPortMapping::Protocol(text.to_owned())),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl PortMapping {
    /// Parses `[ADDRESS:][HOST_PORT]:CONTAINER_PORT[/PROTOCOL]` or
    /// `CONTAINER_PORT`, where each port may be a range, into one mapping a port.
    pub fn parse(text: &str) -> Result<Vec<Self>, InvalidPortMapping> {
        let form = || InvalidPortMapping::Form(text.to_owned());
        let (ports, protocol) = match text.rsplit_once('/') {
            Some((ports, protocol)) => (ports, Protocol::parse(protocol)?),
            None => (text, Protocol::Tcp),
        };
        let (front, container) = match ports.rsplit_once(':') {
            Some((front, container)) => (Some(front), container),
            None => (None, ports),
        };
        let (address, host) = match front {
            None => (None, ""),
            Some(front) => match front.rsplit_once(':') {
                Some((address, host)) => (Some(address), host),
                None => (None, front),
            },
        };
        if container.is_empty() {
            return Err(form());
        }
        let host_address = match address.map(|a| a.trim_start_matches('[').trim_end_matches(']')) {
            None | Some("") => None,
            Some(address) => Some(
                address
                    .parse()
                    .map_err(|_| InvalidPortMapping::Address(address.to_owned()))?,
            ),
        };
        let (first, last) = range(container)?;
        let (host_first, host_last) = if host.is_empty() || host == "0" {
            (0, 0)
        } else {
            range(host)?
        };
        if host_first != 0 && host_last - host_first != last - first {
            return Err(InvalidPortMapping::RangeLength {
                host: host.to_owned(),
                container: container.to_owned(),
            });
        }
        let mapping = |container_port: u16| Self {
            host_address,
            host_port: if host_first == 0 {
                0
            } else {
                host_first + (container_port - first)
            },
            container_port,
            protocol,
        };
        Ok((first..=last).map(mapping).collect())
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            None => {}
        }
        write!(f, "{}:{}/{}", self.host_port, self.container_port, self.protocol.word())
    }
}

fn range(text: &str) -> Result<(u16, u16), InvalidPortMapping> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(InvalidPortMapping::Port(text.to_owned())),
    };
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if first > last {
                Err(InvalidPortMapping::Port(text.to_owned()))
            } else {
                Ok((first, last))
            }
        }
        None => port(text).map(|port| (port, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_in_every_form() {
        let one = |text: &str| PortMapping::parse(text).expect(text)[0].to_string();
        assert_eq!(one("80"), "0:80/tcp");
        assert_eq!(one("8080:80"), "8080:80/tcp");
        assert_eq!(one("127.0.0.1:8080:80/udp"), "127.0.0.1:8080:80/udp");
        assert_eq!(one("[::1]:8080:80"), "[::1]:8080:80/tcp");
        assert_eq!(one("127.0.0.1::80"), "127.0.0.1:0:80/tcp");
    }

    #[test]
    fn ranges_become_single_mappings() {
        let all = PortMapping::parse("8000-8002:80-82").expect("valid");
        assert_eq!(all.len(), 3);
        assert_eq!(all[2].to_string(), "8002:82/tcp");
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for text in [
            "",
            ":",
            "x",
            "0",
            "70000",
            "80:",
            "1-2:1-3",
            "5-1",
            "300.1.1.1:1:1",
            "80:80/icmp",
            "+80:80",
        ] {
            assert!(PortMapping::parse(text).is_err(), "{text}");
        }
    }
}
