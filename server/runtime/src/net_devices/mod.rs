//! Network devices of the caller that become the container's. runtime-spec,
//! config-linux.md, "Network Devices"
//!
//! A device is moved by the kernel with what belongs to it, but for its addresses, which
//! are set anew. When the container ends nobody moves it back: physical devices return
//! to the initial network namespace by themselves, others end with the container's
//! network_namespaces(7). Routes over a device do not come along.

mod rtnetlink;

use crate::CreateError;
use crate::namespaces::Namespaces;
use oci_spec::runtime::Spec;
use rtnetlink::{Address, Connection};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use sys::namespace;

/// Interface names have at most so many bytes. linux/if.h, `IFNAMSIZ`
const LONGEST_NAME: usize = 15;

/// A device that is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    name: String,
    /// Its name in the container; one that ends in `%d` is a template that the kernel
    /// completes with the first number that is free.
    new_name: String,
}

/// Devices that were moved.
#[derive(Debug)]
pub(crate) struct Moved {
    own: OwnedFd,
    here: Connection,
    there: Connection,
    devices: Vec<Device>,
}

/// One as it was.
#[derive(Debug)]
struct Device {
    name: String,
    up: bool,
    addresses: Vec<Address>,
    /// Where it is now.
    index: u32,
}

/// What the specification asks for, by name.
///
/// # Errors
/// When a name is none or is given twice, or when the container has no network
/// namespace of its own.
pub(crate) fn of(spec: &Spec, namespaces: &Namespaces) -> Result<Vec<Wanted>, CreateError> {
    let refuse = |why: String| Err(CreateError::Bundle(why));
    let given = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut all: Vec<Wanted> = given
        .into_iter()
        .flatten()
        .map(|(name, device)| Wanted {
            name: name.clone(),
            new_name: match device.name() {
                Some(new_name) if !new_name.is_empty() => new_name.clone(),
                _ => name.clone(),
            },
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let mut seen: Vec<&str> = Vec::new();
    for Wanted { name, new_name } in &all {
        if !is_name(name) {
            return refuse(format!("linux.netDevices lists `{name}`, which is no device's name"));
        }
        let plain = new_name.strip_suffix("%d");
        if !is_name(plain.unwrap_or(new_name)) || new_name.len() > LONGEST_NAME {
            return refuse(format!(
                "linux.netDevices names `{name}` `{new_name}`, which is no device's name; \
                 it may have {LONGEST_NAME} bytes, and `%d` at its end for a number"
            ));
        }
        if plain.is_none() && seen.contains(&new_name.as_str()) {
            return refuse(format!("linux.netDevices names two devices `{new_name}`"));
        }
        seen.push(new_name);
    }
    let has_own = namespaces.has_new(namespace::NETWORK) || namespaces.joins(namespace::NETWORK);
    if !all.is_empty() && !has_own {
        return refuse("linux.netDevices needs a network namespace of the container's own".to_owned());
    }
    Ok(all)
}

/// As `dev_valid_name` of the kernel has it, and without the letter of templates.
fn is_name(name: &str) -> bool {
    let odd = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':' | b'%' | 0);
    !name.is_empty() && name.len() <= LONGEST_NAME && !matches!(name, "." | "..") && !name.bytes().any(odd)
}

/// The container's network namespace, as a descriptor of its own. Init, whose number is
/// `pid`, is in a new one from its first breath.
pub(crate) fn namespace_of(namespaces: &Namespaces, pid: i32) -> io::Result<OwnedFd> {
    match namespaces.joined.iter().find(|(kind, _)| *kind == namespace::NETWORK) {
        Some((_, joined)) => joined.try_clone(),
        None => File::open(format!("/proc/{pid}/ns/net")).map(OwnedFd::from),
    }
}

/// In every network namespace the first device is `lo`.
const LOOPBACK: u32 = 1;

/// Sets up the loopback device of the calling process's network namespace, which is down in
/// a new one.
pub(crate) fn raise_loopback() -> io::Result<()> {
    match Connection::open().and_then(|mut connection| connection.set_up(LOOPBACK)) {
        // Without CAP_NET_ADMIN the namespace stays as the kernel made it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

/// Moves each device into `namespace`, all or none.
///
/// # Errors
/// When one is not there, cannot be moved, or has a name that is taken there. Those that
/// had been moved are back then, with their names and addresses.
pub(crate) fn move_into(wanted: &[Wanted], namespace: &OwnedFd) -> Result<Moved, CreateError> {
    let opened = (|| {
        Ok(Moved {
            own: sys::network_namespace::current()?,
            here: Connection::open()?,
            there: Connection::open_in(namespace.as_fd())?,
            devices: Vec::new(),
        })
    })();
    let mut moved = opened.map_err(CreateError::system("speak with the kernel about network devices"))?;
    for one in wanted {
        if let Err(source) = moved.add(one, namespace) {
            moved.take_back();
            return Err(CreateError::NetDevice {
                name: one.name.clone(),
                new_name: one.new_name.clone(),
                source,
            });
        }
    }
    Ok(moved)
}

impl Moved {
    fn add(&mut self, wanted: &Wanted, namespace: &OwnedFd) -> io::Result<()> {
        let Wanted { name, new_name } = wanted;
        let link = self
            .here
            .find(name)?
            .ok_or_else(|| io::Error::other("there is no such device"))?;
        let is_template = new_name.ends_with("%d");
        if !is_template && self.there.find(new_name)?.is_some() {
            return Err(io::Error::other("the container has a device of that name"));
        }
        let addresses = self.here.addresses(link.index)?;
        // Nobody else has this name, so the device is found again whatever number it
        // gets, and whatever the kernel makes of a template.
        let between = format!("g{}-{:x}", std::process::id() % 100_000, link.index);
        self.here.move_to(link.index, namespace.as_raw_fd(), &between)?;
        let index = self
            .there
            .find(&between)?
            .ok_or_else(|| io::Error::other("it did not arrive in the container"))?
            .index;
        self.devices.push(Device {
            name: name.clone(),
            up: link.up,
            addresses,
            index,
        });
        self.there.rename(index, new_name)?;
        let device = &self.devices[self.devices.len() - 1];
        for address in device.addresses.iter().filter(|address| address.comes_along()) {
            self.there.add_address(index, address, name == new_name)?;
        }
        self.there.set_up(index)
    }

    /// Moves them back with names and addresses; what cannot be had back is left: the
    /// failure that led here is the one to tell.
    pub(crate) fn take_back(mut self) {
        for device in self.devices.drain(..) {
            let moved = self.there.move_to(device.index, self.own.as_raw_fd(), &device.name);
            let Ok(Some(link)) = moved.and_then(|()| self.here.find(&device.name)) else {
                continue;
            };
            for address in &device.addresses {
                let _ = self.here.add_address(link.index, address, true);
            }
            if device.up {
                let _ = self.here.set_up(link.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(devices: serde_json::Value) -> Result<Vec<Wanted>, CreateError> {
        let spec = json!({"ociVersion": "1.3.0", "linux": {"netDevices": devices}});
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let namespaces = Namespaces {
            new: namespace::NETWORK,
            ..Namespaces::default()
        };
        of(&spec, &namespaces)
    }

    #[test]
    fn devices_keep_their_names_or_get_new_ones() {
        let pair = |name: &str, new_name: &str| Wanted {
            name: name.to_owned(),
            new_name: new_name.to_owned(),
        };
        let all =
            wanted(json!({"lan1": {}, "lan0": {"name": "eth0"}, "lan2": {"name": "eth%d"}, "lan3": {"name": "eth%d"}}));
        let expected = [
            pair("lan0", "eth0"),
            pair("lan1", "lan1"),
            pair("lan2", "eth%d"),
            pair("lan3", "eth%d"),
        ];
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn names_that_no_device_has_are_refused() {
        for bad in ["", ".", "..", "a b", "a/b", "a:b", "sixteen-letters-", "%d", "a%d"] {
            assert!(wanted(json!({bad: {"name": "eth0"}})).is_err(), "{bad}");
        }
        for bad in [
            "a%db",
            "%s",
            "a%d%d",
            "fourteen-let%d%",
            "fifteen-byte%d%d",
            "%d",
            "fourteen-letts%d",
        ] {
            assert!(wanted(json!({"lan0": {"name": bad}})).is_err(), "{bad}");
        }
        assert!(wanted(json!({"lan0": {"name": "one"}, "lan1": {"name": "one"}})).is_err());
    }
}
