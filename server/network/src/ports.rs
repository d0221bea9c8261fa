//! Published ports: held on the host, so that nobody else takes them, and led to
//! their container by the firewall.

use crate::firewall::{Element, Firewall, FirewallError, Key, flows};
use crate::{host, port_owner};
use model::container::ContainerId;
use model::network::{PortMapping, Protocol};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use sys::host_port::{self, Transport};

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("port {port}/{} of the host is in use by container `{}`", protocol.word(), owner.short())]
    InUse {
        port: u16,
        protocol: Protocol,
        owner: ContainerId,
    },
    #[error("port {port}/{} of the host is in use by {}; stop it, or publish another port", protocol.word(), match program {
        Some((name, pid)) => format!("`{name}` (process {pid})"),
        None => "another program".to_owned(),
    })]
    InUseByProgram {
        port: u16,
        protocol: Protocol,
        /// Its name and number, where they can be seen.
        program: Option<(String, u32)>,
    },
    #[error("port {port}/{} of the host is published twice by one container", protocol.word())]
    Twice { port: u16, protocol: Protocol },
    #[error("`{0}` is not an address of this host; `ip -br address` lists them")]
    NotOurs(Ipv4Addr),
    #[error("`{0}`: ports cannot be published on IPv6 addresses yet; name an IPv4 address or none")]
    Ipv6(IpAddr),
    #[error("cannot hold port {port}/{} of the host: {source}", protocol.word())]
    Hold {
        port: u16,
        protocol: Protocol,
        source: io::Error,
    },
    #[error(transparent)]
    Firewall(#[from] FirewallError),
}

#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) firewall: Firewall,
    published: HashMap<ContainerId, Published>,
    /// Somebody else carries what arrives.
    only_held: bool,
}

#[derive(Debug)]
struct Published {
    address: Ipv4Addr,
    ports: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    mapping: PortMapping,
    /// Closed, it gives the port back.
    socket: OwnedFd,
}

impl Ports {
    pub(crate) fn new(firewall: Firewall) -> Self {
        Self {
            firewall,
            published: HashMap::new(),
            only_held: false,
        }
    }

    pub(crate) fn only_hold(&mut self) {
        self.only_held = true;
    }

    /// The sockets of a container's ports, once more.
    pub(crate) fn held(&self, id: &ContainerId) -> io::Result<Vec<(PortMapping, OwnedFd)>> {
        let published = self.published.get(id);
        let ports = published.into_iter().flat_map(|published| &published.ports);
        ports.map(|held| Ok((held.mapping, held.socket.try_clone()?))).collect()
    }

    /// Publishes all or none. What the container had published before is replaced, unless it is
    /// just this.
    pub(crate) fn publish(
        &mut self,
        id: &ContainerId,
        address: Ipv4Addr,
        wanted: &[PortMapping],
    ) -> Result<Vec<PortMapping>, PublishError> {
        if let Some(already) = self.published.get(id) {
            if already.answers(address, wanted) {
                return Ok(already.mappings());
            }
            self.unpublish(id)?;
        }
        let mut ports: Vec<Held> = Vec::with_capacity(wanted.len());
        for mapping in wanted {
            if ports.iter().any(|held| held.mapping == *mapping) {
                continue;
            }
            ports.push(self.hold(mapping, &ports)?);
        }
        let published = Published { address, ports };
        let mappings = published.mappings();
        if !self.only_held {
            let add = published.elements(id);
            let stale = self.keys_of(id);
            self.firewall.change(&stale, &add)?;
            self.forget_stale_flows(&add);
        }
        if !published.ports.is_empty() {
            self.published.insert(id.clone(), published);
        }
        Ok(mappings)
    }

    /// Why a port could not be published now. It is held for a moment, and given back.
    pub(crate) fn check(&self, mapping: &PortMapping) -> Result<(), PublishError> {
        self.hold(mapping, &[]).map(drop)
    }

    pub(crate) fn unpublish(&mut self, id: &ContainerId) -> Result<(), FirewallError> {
        let keys = self.keys_of(id);
        self.firewall.change(&keys, &HashMap::new())?;
        self.published.remove(id);
        Ok(())
    }

    /// Takes back what belongs to no container in `keep`; answers how many ports.
    pub(crate) fn sweep(&mut self, keep: &[ContainerId]) -> Result<usize, FirewallError> {
        let stale: Vec<Key> = self
            .firewall
            .elements()
            .iter()
            .filter(|(_, element)| !element.container.as_ref().is_some_and(|id| keep.contains(id)))
            .map(|(key, _)| *key)
            .collect();
        self.firewall.change(&stale, &HashMap::new())?;
        self.published.retain(|id, _| keep.contains(id));
        Ok(stale.len())
    }

    /// Old flows are a nuisance, not a failure: they end when they fall silent.
    fn forget_stale_flows(&self, published: &HashMap<Key, Element>) {
        if !published.keys().any(|key| key.protocol == Protocol::Udp) {
            return;
        }
        let forgotten = host::addresses().map_err(|error| error.to_string()).and_then(|local| {
            flows::forget_stale(published, self.firewall.subnet(), &local).map_err(|error| error.to_string())
        });
        if let Err(reason) = forgotten {
            tracing::warn!(reason, "datagrams of old flows may go where their port led before");
        }
    }

    fn keys_of(&self, id: &ContainerId) -> Vec<Key> {
        self.firewall
            .elements()
            .iter()
            .filter(|(_, element)| element.container.as_ref() == Some(id))
            .map(|(key, _)| *key)
            .collect()
    }

    fn hold(&self, mapping: &PortMapping, beside: &[Held]) -> Result<Held, PublishError> {
        let address = match mapping.host_address {
            None => Ipv4Addr::UNSPECIFIED,
            Some(IpAddr::V4(address)) => address,
            Some(address @ IpAddr::V6(_)) => return Err(PublishError::Ipv6(address)),
        };
        let transport = match mapping.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
        };
        let (port, protocol) = (mapping.host_port, mapping.protocol);
        match host_port::hold(SocketAddrV4::new(address, port), transport) {
            Ok((socket, bound)) => Ok(Held {
                mapping: PortMapping {
                    host_port: bound.port(),
                    ..*mapping
                },
                socket,
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if beside.iter().any(|held| held.collides_with(mapping)) {
                    return Err(PublishError::Twice { port, protocol });
                }
                Err(match self.owner(mapping).cloned() {
                    Some(owner) => PublishError::InUse { port, protocol, owner },
                    None => PublishError::InUseByProgram {
                        port,
                        protocol,
                        program: port_owner::find(port, protocol),
                    },
                })
            }
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Err(PublishError::NotOurs(address)),
            Err(source) => Err(PublishError::Hold { port, protocol, source }),
        }
    }

    fn owner(&self, mapping: &PortMapping) -> Option<&ContainerId> {
        self.published
            .iter()
            .find(|(_, published)| published.ports.iter().any(|held| held.collides_with(mapping)))
            .map(|(id, _)| id)
    }
}

impl Published {
    /// Whether this is what is asked for; 0 asks for any port.
    fn answers(&self, address: Ipv4Addr, wanted: &[PortMapping]) -> bool {
        self.address == address
            && self.ports.len() == wanted.len()
            && self.ports.iter().zip(wanted).all(|(held, wanted)| {
                let port = if wanted.host_port == 0 {
                    held.mapping.host_port
                } else {
                    wanted.host_port
                };
                held.mapping
                    == PortMapping {
                        host_port: port,
                        ..*wanted
                    }
            })
    }

    fn mappings(&self) -> Vec<PortMapping> {
        self.ports.iter().map(|held| held.mapping).collect()
    }

    fn elements(&self, id: &ContainerId) -> HashMap<Key, Element> {
        self.ports
            .iter()
            .map(|held| {
                let element = Element {
                    target: SocketAddrV4::new(self.address, held.mapping.container_port),
                    container: Some(id.clone()),
                };
                (held.key(), element)
            })
            .collect()
    }
}

impl Held {
    fn key(&self) -> Key {
        let address = match self.mapping.host_address {
            Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
            _ => None,
        };
        Key {
            address,
            protocol: self.mapping.protocol,
            port: self.mapping.host_port,
        }
    }

    fn collides_with(&self, other: &PortMapping) -> bool {
        let any = |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
        let (mine, theirs) = (self.mapping.host_address, other.host_address);
        self.mapping.protocol == other.protocol
            && self.mapping.host_port == other.host_port
            && (mine == theirs || any(mine) || any(theirs))
    }
}
