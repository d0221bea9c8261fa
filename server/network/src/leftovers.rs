//! What an instance has in the host's network, found by its name alone: for removing it when
//! its server, or even its data directory, is gone.

use crate::NetworkError;
use crate::device::{self, Device};
use crate::firewall::table;
use crate::netlink::Connection;
use model::container::ContainerId;
use sys::netlink::Family;

/// Empty where nothing is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// The bridge and the host's ends of veth pairs.
    pub devices: Vec<String>,
    pub tables: Vec<String>,
    /// The containers that the veth pairs are of.
    pub containers: Vec<ContainerId>,
}

impl Leftovers {
    /// # Errors
    /// `instance` is not six hexadecimal digits; the kernel or `nft` refuses to answer.
    pub fn find(instance: &str) -> Result<Self, NetworkError> {
        crate::check_instance(instance)?;
        let mut netlink = Connection::open(Family::Route).map_err(NetworkError::Open)?;
        let (bridge, prefix) = (format!("gantry-{instance}"), format!("g{instance}-"));
        let devices = device::list(&mut netlink).map_err(|source| NetworkError::Read {
            device: bridge.clone(),
            source,
        })?;
        let own: Vec<Device> = devices
            .into_iter()
            .filter(|device| device.name == bridge || device.name.starts_with(&prefix))
            .collect();
        let name = format!("gantry_{instance}");
        let tables = if table::exists(&name).map_err(crate::FirewallError::from)? {
            vec![name]
        } else {
            Vec::new()
        };
        Ok(Self {
            containers: own
                .iter()
                .filter_map(|device| device.alias.as_deref()?.strip_prefix(&bridge))
                .filter_map(|id| ContainerId::parse(id.trim()).ok())
                .collect(),
            devices: own.into_iter().map(|device| device.name).collect(),
            tables,
        })
    }

    /// The instances that have a bridge on this host.
    pub fn instances() -> Result<Vec<String>, NetworkError> {
        let mut netlink = Connection::open(Family::Route).map_err(NetworkError::Open)?;
        let devices = device::list(&mut netlink).map_err(|source| NetworkError::Read {
            device: "gantry-*".to_owned(),
            source,
        })?;
        let names = devices.iter().filter(|device| device.is_bridge);
        Ok(names
            .filter_map(|device| device.name.strip_prefix("gantry-"))
            .filter(|name| crate::check_instance(name).is_ok())
            .map(str::to_owned)
            .collect())
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.tables.is_empty()
    }

    /// Goes on after a failure and returns the first.
    pub fn remove(&self) -> Result<(), NetworkError> {
        let mut netlink = Connection::open(Family::Route).map_err(NetworkError::Open)?;
        let mut outcome = Ok(());
        for device in &self.devices {
            outcome = outcome.and(
                device::remove(&mut netlink, device).map_err(|source| NetworkError::Remove {
                    device: device.clone(),
                    source,
                }),
            );
        }
        for name in &self.tables {
            let removed = table::remove(name).map_err(crate::FirewallError::from);
            outcome = outcome.and(removed.map_err(NetworkError::from));
        }
        outcome
    }
}
