//! How containers reach others and are reached: a bridge, a cable from it to
//! each container's network namespace, and an nftables table.
//!
//! Synchronous; a call takes a few milliseconds. Everything made bears the instance's name, and
//! nothing else of the host's network is touched, but for `ip_forward`, without which no
//! packet leaves the bridge. Whether the host's own rules let forwarded packets pass is the
//! host's business.
//!
//! | thing | name |
//! | --- | --- |
//! | bridge | `gantry-<instance>` |
//! | host's end of a cable | `g<instance>-<7 digits>`, alias `gantry-<instance> <container id>` |
//! | container's end | `eth0` |
//! | nftables table | `ip gantry_<instance>` |
//!
//! The kernel keeps all of it when the server ends, except the ports held on the
//! host; publishing them again after [`Network::open`] is harmless.
#![forbid(unsafe_code)]

mod attribute;
mod device;
mod firewall;
mod host;
mod leftovers;
mod namespace;
mod netlink;
mod port_owner;
mod ports;
mod probe;

pub use firewall::{FirewallError, table::TableError};
pub use host::HostError;
pub use leftovers::Leftovers;
pub use namespace::{NamespaceError, empty as empty_namespace, start_loopback};
pub use netlink::NetlinkError;
pub use ports::PublishError;
pub use probe::{Probe, probe};

use device::Cable;
use firewall::Firewall;
use model::container::ContainerId;
use model::network::{Endpoint, PortMapping, Subnet};
use netlink::Connection;
use ports::Ports;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use sys::netlink::Family;

#[derive(Debug)]
pub struct Options {
    /// Six hexadecimal digits that tell this server's things from another's.
    pub instance: String,
    pub subnet: Subnet,
    /// Where bridge and table are made, instead of in the caller's network. Published
    /// ports are then only held, for somebody who carries what arrives at them.
    pub namespace: Option<OwnedFd>,
}

/// The default network. Shared by reference; each method locks what it needs.
#[derive(Debug)]
pub struct Network {
    instance: String,
    subnet: Subnet,
    bridge: String,
    bridge_index: u32,
    mtu: Option<u32>,
    turned_on_forwarding: bool,
    namespace: Option<OwnedFd>,
    netlink: Mutex<Connection>,
    ports: Mutex<Ports>,
}

/// A namespace that is plugged into the bridge.
#[derive(Debug)]
pub struct Attachment {
    pub namespace: OwnedFd,
    pub endpoint: Endpoint,
}

/// The first of [`Subnet::candidates`] that meets no address or route of the host, or of
/// the network `namespace`; `None` when each does.
pub fn free_subnet(namespace: Option<&OwnedFd>) -> Result<Option<Subnet>, NetworkError> {
    Ok(namespace::within(namespace, host::free_subnet)??)
}

/// What of the host, or of the network `namespace`, has addresses of `subnet`: an interface's
/// address or a route, in words for people. The bridge of `instance` is left out.
pub fn overlap(namespace: Option<&OwnedFd>, instance: &str, subnet: Subnet) -> Result<Option<String>, NetworkError> {
    let bridge = format!("gantry-{instance}");
    Ok(namespace::within(namespace, || host::overlap(subnet, &bridge))??)
}

/// What passed a container's device since it was made, seen from the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_dropped: u64,
}

/// What [`Network::sweep`] found and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    pub devices: Vec<String>,
    pub ports: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("instance `{0}` is not six hexadecimal digits")]
    Instance(String),
    #[error("cannot speak with the kernel about the network: {0}")]
    Open(#[source] io::Error),
    #[error("cannot set up the bridge `{bridge}`: {source}")]
    Bridge { bridge: String, source: NetlinkError },
    #[error("cannot connect container `{}` to `{bridge}`: {source}", id.short())]
    Attach {
        id: ContainerId,
        bridge: String,
        source: NetlinkError,
    },
    #[error("address {address} is not one for containers in {subnet}")]
    Address { address: Ipv4Addr, subnet: Subnet },
    #[error("cannot read device `{device}`: {source}")]
    Read { device: String, source: NetlinkError },
    #[error("cannot remove device `{device}`: {source}")]
    Remove { device: String, source: NetlinkError },
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Firewall(#[from] FirewallError),
}

const CONTAINER_DEVICE: &str = "eth0";

fn check_instance(instance: &str) -> Result<(), NetworkError> {
    if instance.len() == 6 && instance.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(NetworkError::Instance(instance.to_owned()))
}

impl Network {
    /// Makes bridge and table, or finds those of a former server and mends them.
    pub fn open(options: Options) -> Result<Self, NetworkError> {
        let Options {
            instance,
            subnet,
            namespace,
        } = options;
        check_instance(&instance)?;
        let mut network = namespace::within(namespace.as_ref(), || Self::open_here(instance, subnet))??;
        if namespace.is_some() {
            network.ports().only_hold();
        }
        network.namespace = namespace;
        network.plug_in_again()?;
        Ok(network)
    }

    fn open_here(instance: String, subnet: Subnet) -> Result<Self, NetworkError> {
        let bridge = format!("gantry-{instance}");
        let mut netlink = Connection::open(Family::Route).map_err(NetworkError::Open)?;
        let mtu = host::uplink_mtu(&mut netlink)?.filter(|mtu| *mtu < 1500);
        let bridge_index =
            device::ensure_bridge(&mut netlink, &bridge, subnet, mtu).map_err(|source| NetworkError::Bridge {
                bridge: bridge.clone(),
                source,
            })?;
        let turned_on_forwarding = host::turn_on_forwarding()?;
        if turned_on_forwarding {
            tracing::info!("`net.ipv4.ip_forward` was 0 and is 1 now: containers need it to reach others");
        }
        host::route_loopback(&bridge)?;
        let firewall = Firewall::open(format!("gantry_{instance}"), bridge.clone(), subnet)?;
        Ok(Self {
            instance,
            subnet,
            bridge,
            bridge_index,
            mtu,
            turned_on_forwarding,
            namespace: None,
            netlink: Mutex::new(netlink),
            ports: Mutex::new(Ports::new(firewall)),
        })
    }

    /// The network that bridge and table are in; `None` where that is the caller's.
    pub fn namespace(&self) -> Option<&OwnedFd> {
        self.namespace.as_ref()
    }

    /// The sockets that hold a container's published ports.
    pub fn held(&self, id: &ContainerId) -> io::Result<Vec<(PortMapping, OwnedFd)>> {
        self.ports().held(id)
    }

    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Whether opening turned `ip_forward` on.
    pub fn turned_on_forwarding(&self) -> bool {
        self.turned_on_forwarding
    }

    /// Makes a namespace for a container and connects it with `address`. A cable of an earlier
    /// run of the same container is removed first.
    pub fn attach(&self, id: &ContainerId, address: Ipv4Addr) -> Result<Attachment, NetworkError> {
        self.check(address)?;
        let (namespace, inside) = namespace::make()?;
        let endpoint = self.plug_in(id, address, &namespace, inside)?;
        Ok(Attachment { namespace, endpoint })
    }

    /// As [`Network::attach`], with a namespace that is there already and has but a
    /// loopback device.
    pub fn attach_to(&self, id: &ContainerId, address: Ipv4Addr, namespace: OwnedFd) -> Result<Endpoint, NetworkError> {
        self.check(address)?;
        let inside = namespace::enter(&namespace)?;
        self.plug_in(id, address, &namespace, inside)
    }

    fn check(&self, address: Ipv4Addr) -> Result<(), NetworkError> {
        let usable = self.subnet.contains(address)
            && ![self.subnet.network(), self.subnet.gateway(), self.subnet.broadcast()].contains(&address);
        if usable {
            return Ok(());
        }
        Err(NetworkError::Address {
            address,
            subnet: self.subnet,
        })
    }

    fn plug_in(
        &self,
        id: &ContainerId,
        address: Ipv4Addr,
        namespace: &OwnedFd,
        mut inside: Connection,
    ) -> Result<Endpoint, NetworkError> {
        let mac = device::mac_of(address);
        let failed = |source| NetworkError::Attach {
            id: id.clone(),
            bridge: self.bridge.clone(),
            source,
        };
        let host_device = self.connect(id, namespace, mac).map_err(failed)?;
        if let Err(error) = device::configure(&mut inside, CONTAINER_DEVICE, address, self.subnet) {
            let _ = device::remove(&mut self.netlink(), &host_device);
            return Err(failed(error));
        }
        Ok(Endpoint {
            address,
            prefix: self.subnet.prefix(),
            gateway: self.subnet.gateway(),
            mac,
            host_device,
        })
    }

    /// Publishes ports of a connected container, all or none, and answers with the
    /// ports that were found where 0 was asked for. Asked again for the same, it changes nothing.
    pub fn publish(
        &self,
        id: &ContainerId,
        endpoint: &Endpoint,
        ports: &[PortMapping],
    ) -> Result<Vec<PortMapping>, PublishError> {
        self.ports().publish(id, endpoint.address, ports)
    }

    /// Gives back all ports of a container. One without is no failure.
    /// Why a port could not be published now.
    pub fn check_port(&self, mapping: &PortMapping) -> Result<(), PublishError> {
        self.ports().check(mapping)
    }

    pub fn unpublish(&self, id: &ContainerId) -> Result<(), FirewallError> {
        self.ports().unpublish(id)
    }

    /// Removes a container's cable. One that is gone is no failure: it goes with the namespace.
    ///
    /// The kernel takes its time over it, up to tens of milliseconds, so others
    /// are not kept waiting for the connection meanwhile.
    pub fn detach(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let opened = namespace::within(self.namespace.as_ref(), || Connection::open(Family::Route))?;
        let mut netlink = opened.map_err(NetworkError::Open)?;
        device::remove(&mut netlink, &endpoint.host_device).map_err(|source| NetworkError::Remove {
            device: endpoint.host_device.clone(),
            source,
        })
    }

    /// `None` when the device is gone.
    pub fn traffic(&self, host_device: &str) -> Result<Option<Traffic>, NetworkError> {
        let device = device::find(&mut self.netlink(), host_device).map_err(|source| NetworkError::Read {
            device: host_device.to_owned(),
            source,
        })?;
        // What the host's end receives is what the container sent.
        Ok(device.and_then(|device| device.statistics).map(|statistics| Traffic {
            received_bytes: statistics.tx_bytes,
            received_packets: statistics.tx_packets,
            received_errors: statistics.tx_errors,
            received_dropped: statistics.tx_dropped,
            sent_bytes: statistics.rx_bytes,
            sent_packets: statistics.rx_packets,
            sent_errors: statistics.rx_errors,
            sent_dropped: statistics.rx_dropped,
        }))
    }

    /// Removes cables and ports of every container that is not in `keep`.
    pub fn sweep(&self, keep: &[ContainerId]) -> Result<Swept, NetworkError> {
        let ports = self.ports().sweep(keep)?;
        let mut swept = Swept {
            devices: Vec::new(),
            ports,
        };
        for (device, id) in self.cables()? {
            if !id.is_some_and(|id| keep.contains(&id)) {
                self.remove_device(&device.name)?;
                swept.devices.push(device.name);
            }
        }
        Ok(swept)
    }

    /// Removes cables, bridge and table; for leaving the host as it was. Goes on
    /// after a failure and answers with the first.
    pub fn close(&self) -> Result<(), NetworkError> {
        let mut outcome = Ok(());
        for (device, _) in self.cables()? {
            outcome = outcome.and(self.remove_device(&device.name));
        }
        outcome = outcome.and(self.remove_device(&self.bridge));
        outcome.and(self.ports().firewall.remove().map_err(NetworkError::from))
    }

    /// Makes the cable under a name that is free: seven digits of the id rarely
    /// meet another's, and then the next seven are taken.
    fn connect(&self, id: &ContainerId, namespace: &OwnedFd, mac: [u8; 6]) -> Result<String, NetlinkError> {
        let alias = self.alias(id);
        let mut netlink = self.netlink();
        let mut outcome = Err(NetlinkError::Answer("no name is free for its device".to_owned()));
        for place in 0..9 {
            let name = format!("g{}-{}", self.instance, &id.as_str()[place * 7..(place + 1) * 7]);
            let cable = Cable {
                host_device: &name,
                alias: &alias,
                bridge: self.bridge_index,
                mtu: self.mtu,
                namespace: namespace.as_fd(),
                container_device: CONTAINER_DEVICE,
                container_mac: mac,
            };
            outcome = device::create_cable(&mut netlink, &cable).map(|()| name.clone());
            match &outcome {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                _ => return outcome,
            }
            let own = device::find(&mut netlink, &name)?.is_some_and(|device| device.alias.as_ref() == Some(&alias));
            if own {
                device::remove(&mut netlink, &name)?;
                return device::create_cable(&mut netlink, &cable).map(|()| name);
            }
        }
        outcome
    }

    /// The bridge may have been removed and made anew while containers ran.
    fn plug_in_again(&self) -> Result<(), NetworkError> {
        for (device, _) in self.cables()? {
            if device.bridge != Some(self.bridge_index) {
                device::plug(&mut self.netlink(), device.index, self.bridge_index).map_err(|source| {
                    NetworkError::Bridge {
                        bridge: self.bridge.clone(),
                        source,
                    }
                })?;
            }
        }
        Ok(())
    }

    /// All cables of this instance, with the container each is for.
    fn cables(&self) -> Result<Vec<(device::Device, Option<ContainerId>)>, NetworkError> {
        let devices = device::list(&mut self.netlink()).map_err(|source| NetworkError::Read {
            device: self.bridge.clone(),
            source,
        })?;
        let prefix = format!("g{}-", self.instance);
        Ok(devices
            .into_iter()
            .filter(|device| device.name.starts_with(&prefix))
            .map(|device| {
                let id = device
                    .alias
                    .as_deref()
                    .and_then(|alias| alias.strip_prefix(&self.bridge))
                    .and_then(|id| ContainerId::parse(id.trim()).ok());
                (device, id)
            })
            .collect())
    }

    fn remove_device(&self, name: &str) -> Result<(), NetworkError> {
        device::remove(&mut self.netlink(), name).map_err(|source| NetworkError::Remove {
            device: name.to_owned(),
            source,
        })
    }

    fn alias(&self, id: &ContainerId) -> String {
        format!("{} {id}", self.bridge)
    }

    fn netlink(&self) -> MutexGuard<'_, Connection> {
        self.netlink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
