//! Which container has which address of the default network.

use crate::error::EngineError;
use model::container::ContainerId;
use model::network::Subnet;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Addresses are held while a container runs. One that was given back is not
/// given to another at once, since neighbours remember whose it was.
#[derive(Debug)]
pub(crate) struct Addresses {
    subnet: Subnet,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by_address: HashMap<Ipv4Addr, ContainerId>,
    last: Option<Ipv4Addr>,
}

impl Addresses {
    pub(crate) fn new(subnet: Subnet) -> Self {
        Self {
            subnet,
            held: Mutex::default(),
        }
    }

    /// The address the container had before, while it is free, else the next free one.
    pub(crate) fn take(&self, id: &ContainerId, before: Option<Ipv4Addr>) -> Result<Ipv4Addr, EngineError> {
        let mut held = self.lock();
        held.by_address.retain(|_, holder| holder != id);
        let usable = |address: &Ipv4Addr| self.subnet.contains(*address) && !held.by_address.contains_key(address);
        let address = before.filter(usable).or_else(|| {
            let after_last = self.subnet.hosts().filter(|a| held.last.is_none_or(|last| *a > last));
            after_last
                .chain(self.subnet.hosts())
                .find(|address| !held.by_address.contains_key(address))
        });
        let Some(address) = address else {
            return Err(EngineError::Conflict(format!(
                "no address is free in {}; remove containers that are not needed",
                self.subnet
            )));
        };
        held.by_address.insert(address, id.clone());
        held.last = Some(address);
        Ok(address)
    }

    /// Marks the address of a container that runs already.
    pub(crate) fn hold(&self, id: &ContainerId, address: Ipv4Addr) {
        self.lock().by_address.insert(address, id.clone());
    }

    pub(crate) fn release(&self, id: &ContainerId) {
        self.lock().by_address.retain(|_, holder| holder != id);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ContainerId {
        ContainerId::from_random([byte; 32])
    }

    #[test]
    fn a_container_gets_its_former_address_again_while_that_is_free() {
        let addresses = Addresses::new(Subnet::parse("10.1.0.0/29").unwrap());
        let first = addresses.take(&id(1), None).unwrap();
        addresses.release(&id(1));
        let other = addresses.take(&id(2), None).unwrap();
        assert_ne!(first, other);
        assert_eq!(addresses.take(&id(1), Some(first)).unwrap(), first);
        assert_ne!(addresses.take(&id(3), Some(first)).unwrap(), first);
    }

    #[test]
    fn a_full_subnet_is_told_and_a_released_address_is_used_again() {
        let addresses = Addresses::new(Subnet::parse("10.1.0.0/29").unwrap());
        for number in 0..5 {
            addresses.take(&id(number), None).unwrap();
        }
        assert!(addresses.take(&id(9), None).is_err());
        addresses.release(&id(3));
        addresses.take(&id(9), None).unwrap();
    }
}
