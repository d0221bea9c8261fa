//! The elements of the table's maps: which port of the host leads to which
//! container. Messages of the nftables subsystem (linux/netfilter/nf_tables.h);
//! a batch of them is one transaction of the kernel.

use super::table::{self, TableError};
use crate::attribute;
use crate::netlink::{Connection, NetlinkError};
use model::container::ContainerId;
use model::network::{Protocol, Subnet};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use sys::netlink::Family;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
const DELETE_TABLE: u16 = SUBSYSTEM << 8 | 0x2;
const NEW_ELEMENT: u16 = SUBSYSTEM << 8 | 0xc;
const GET_ELEMENT: u16 = SUBSYSTEM << 8 | 0xd;
const DELETE_ELEMENT: u16 = SUBSYSTEM << 8 | 0xe;

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;

const FAMILY_UNSPECIFIED: u8 = 0;
pub(super) const FAMILY_IPV4: u8 = 2;

const TABLE_NAME: u16 = 1;
const LIST_TABLE: u16 = 1;
const LIST_MAP: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ENTRY: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_USER_DATA: u16 = 6;
const DATA_VALUE: u16 = 1;
const USER_DATA_COMMENT: u8 = 0;

/// An attribute ends at 64 KiB; an element takes up to 160 bytes.
const ELEMENTS_PER_MESSAGE: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("cannot change the nftables table `{table}`: {source}")]
    Change { table: String, source: NetlinkError },
    #[error("cannot read the nftables table `{table}`: {source}")]
    Read { table: String, source: NetlinkError },
    #[error("cannot speak with nftables: {0}; the kernel needs nf_tables and nf_nat")]
    Open(#[source] io::Error),
}

/// What leads somewhere: a port of one address of the host, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) target: SocketAddrV4,
    /// Kept as the element's comment; absent where a stranger wrote it.
    pub(crate) container: Option<ContainerId>,
}

/// The table, and what is known to be in its maps.
#[derive(Debug)]
pub(crate) struct Firewall {
    netlink: Connection,
    table: String,
    bridge: String,
    subnet: Subnet,
    elements: HashMap<Key, Element>,
}

impl Firewall {
    /// Lays the table and reads what a former server left in its maps.
    pub(crate) fn open(table: String, bridge: String, subnet: Subnet) -> Result<Self, FirewallError> {
        let netlink = Connection::open(Family::Netfilter).map_err(FirewallError::Open)?;
        let mut firewall = Self {
            netlink,
            table,
            bridge,
            subnet,
            elements: HashMap::new(),
        };
        table::lay(&firewall.table, &firewall.bridge, subnet)?;
        firewall.elements = firewall.read()?;
        Ok(firewall)
    }

    pub(crate) fn subnet(&self) -> Subnet {
        self.subnet
    }

    pub(crate) fn elements(&self) -> &HashMap<Key, Element> {
        &self.elements
    }

    /// Removes and adds elements in one transaction; an element that is there
    /// already is replaced. When the table was changed behind our back (someone
    /// flushed the ruleset), it is laid again and the transaction repeated.
    pub(crate) fn change(&mut self, remove: &[Key], add: &HashMap<Key, Element>) -> Result<(), FirewallError> {
        let mut after = self.elements.clone();
        for key in remove {
            after.remove(key);
        }
        after.extend(add.iter().map(|(key, element)| (*key, element.clone())));
        if let Err(error) = self.become_equal_to(&after) {
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists | io::ErrorKind::ResourceBusy
            ) {
                return Err(self.refused(error));
            }
            tracing::warn!(
                table = self.table,
                "the nftables table was changed by someone else; it is mended"
            );
            table::lay(&self.table, &self.bridge, self.subnet)?;
            self.elements = self.read()?;
            self.become_equal_to(&after).map_err(|error| self.refused(error))?;
        }
        Ok(())
    }

    /// Removes the table with all that is in it.
    pub(crate) fn remove(&mut self) -> Result<(), FirewallError> {
        let mut batch = Batch::new(&mut self.netlink);
        batch.message(DELETE_TABLE, 0, |bytes| {
            attribute::write_text(bytes, TABLE_NAME, &self.table);
        });
        match batch.send() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FirewallError::Change {
                table: self.table.clone(),
                source: error,
            }),
            _ => {
                self.elements.clear();
                Ok(())
            }
        }
    }

    fn refused(&self, source: NetlinkError) -> FirewallError {
        FirewallError::Change {
            table: self.table.clone(),
            source,
        }
    }

    fn become_equal_to(&mut self, wanted: &HashMap<Key, Element>) -> Result<(), NetlinkError> {
        let gone = |(key, element): &(&Key, &Element)| wanted.get(*key) != Some(element);
        let new = |(key, element): &(&Key, &Element)| self.elements.get(*key) != Some(element);
        let gone: Vec<(Key, Element)> = owned(self.elements.iter().filter(gone));
        let new: Vec<(Key, Element)> = owned(wanted.iter().filter(new));
        if gone.is_empty() && new.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(&mut self.netlink);
        batch.elements(DELETE_ELEMENT, 0, &self.table, &gone);
        batch.elements(NEW_ELEMENT, CREATE, &self.table, &new);
        batch.send()?;
        self.elements.clone_from(wanted);
        Ok(())
    }

    fn read(&mut self) -> Result<HashMap<Key, Element>, FirewallError> {
        let mut all = HashMap::new();
        for map in [ADDRESSED, ANYWHERE] {
            let sequence = self.netlink.next_sequence();
            let mut bytes = Vec::new();
            write_message(
                &mut bytes,
                GET_ELEMENT,
                REQUEST | DUMP,
                sequence,
                FAMILY_IPV4,
                |bytes| {
                    attribute::write_text(bytes, LIST_TABLE, &self.table);
                    attribute::write_text(bytes, LIST_MAP, map);
                },
            );
            self.netlink
                .dump(&bytes, sequence, |message| {
                    // The family, version and number of the subsystem come first.
                    let attributes = message.body.get(4..).unwrap_or_default();
                    let list = attribute::find(attributes, LIST_ELEMENTS).unwrap_or_default();
                    all.extend(attribute::read(list).filter_map(|(_, entry)| read_element(entry)));
                    Ok(())
                })
                .map_err(|source| FirewallError::Read {
                    table: self.table.clone(),
                    source,
                })?;
        }
        Ok(all)
    }
}

const ADDRESSED: &str = "addressed";
const ANYWHERE: &str = "anywhere";

fn owned<'a>(elements: impl Iterator<Item = (&'a Key, &'a Element)>) -> Vec<(Key, Element)> {
    elements.map(|(key, element)| (*key, element.clone())).collect()
}

/// Messages that take effect together or not at all.
struct Batch<'a> {
    netlink: &'a mut Connection,
    bytes: Vec<u8>,
    first: Option<u32>,
    count: usize,
}

impl<'a> Batch<'a> {
    fn new(netlink: &'a mut Connection) -> Self {
        let mut bytes = Vec::new();
        let sequence = netlink.next_sequence();
        write_bound(&mut bytes, BATCH_BEGIN, sequence);
        Self {
            netlink,
            bytes,
            first: None,
            count: 0,
        }
    }

    fn message(&mut self, kind: u16, flags: u16, attributes: impl FnOnce(&mut Vec<u8>)) {
        let sequence = self.netlink.next_sequence();
        self.first.get_or_insert(sequence);
        self.count += 1;
        write_message(
            &mut self.bytes,
            kind,
            REQUEST | ACKNOWLEDGE | flags,
            sequence,
            FAMILY_IPV4,
            attributes,
        );
    }

    fn elements(&mut self, kind: u16, flags: u16, table: &str, elements: &[(Key, Element)]) {
        for (map, addressed) in [(ADDRESSED, true), (ANYWHERE, false)] {
            let of_map: Vec<&(Key, Element)> = elements
                .iter()
                .filter(|(key, _)| key.address.is_some() == addressed)
                .collect();
            for chunk in of_map.chunks(ELEMENTS_PER_MESSAGE) {
                self.message(kind, flags, |bytes| {
                    attribute::write_text(bytes, LIST_TABLE, table);
                    attribute::write_text(bytes, LIST_MAP, map);
                    attribute::write_nested(bytes, LIST_ELEMENTS, |bytes| {
                        for (key, element) in chunk {
                            write_element(bytes, key, element);
                        }
                    });
                });
            }
        }
    }

    fn send(mut self) -> Result<(), NetlinkError> {
        let sequence = self.netlink.next_sequence();
        write_bound(&mut self.bytes, BATCH_END, sequence);
        let Some(first) = self.first else { return Ok(()) };
        self.netlink
            .exchange(&self.bytes, first, self.count)?
            .into_iter()
            .collect()
    }
}

fn write_bound(bytes: &mut Vec<u8>, kind: u16, sequence: u32) {
    write_message(bytes, kind, REQUEST, sequence, FAMILY_UNSPECIFIED, |_| {});
}

pub(super) fn write_message(
    bytes: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    attributes: impl FnOnce(&mut Vec<u8>),
) {
    let start = bytes.len();
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    // Family, version, and in big-endian the subsystem a batch is for.
    let resource = if kind < 0x100 { SUBSYSTEM } else { 0 };
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
    attributes(bytes);
    let length = u32::try_from(bytes.len() - start).expect("a message stays far below 4 GiB");
    bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

fn write_element(bytes: &mut Vec<u8>, key: &Key, element: &Element) {
    attribute::write_nested(bytes, LIST_ENTRY, |bytes| {
        attribute::write_nested(bytes, ELEMENT_KEY, |bytes| {
            attribute::write(bytes, DATA_VALUE, &key_bytes(key));
        });
        attribute::write_nested(bytes, ELEMENT_DATA, |bytes| {
            attribute::write(bytes, DATA_VALUE, &target_bytes(element.target));
        });
        if let Some(container) = &element.container {
            attribute::write(bytes, ELEMENT_USER_DATA, &comment_bytes(container));
        }
    });
}

/// Each part of a key fills a register of four bytes.
fn key_bytes(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12);
    if let Some(address) = key.address {
        bytes.extend_from_slice(&address.octets());
    }
    bytes.extend_from_slice(&[protocol_number(key.protocol), 0, 0, 0]);
    bytes.extend_from_slice(&key.port.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

fn target_bytes(target: SocketAddrV4) -> [u8; 8] {
    let [a, b, c, d] = target.ip().octets();
    let [high, low] = target.port().to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

fn comment_bytes(container: &ContainerId) -> Vec<u8> {
    let text = container.as_str().as_bytes();
    let length = u8::try_from(text.len() + 1).expect("an id has 64 digits");
    let mut bytes = vec![USER_DATA_COMMENT, length];
    bytes.extend_from_slice(text);
    bytes.push(0);
    bytes
}

fn read_element(entry: &[u8]) -> Option<(Key, Element)> {
    let value = |kind| attribute::find(attribute::find(entry, kind)?, DATA_VALUE);
    let (address, rest) = match value(ELEMENT_KEY)? {
        [a, b, c, d, rest @ ..] if rest.len() == 8 => (Some(Ipv4Addr::new(*a, *b, *c, *d)), rest),
        rest => (None, rest),
    };
    let &[number, _, _, _, high, low, _, _] = rest else {
        return None;
    };
    let protocol = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|protocol| protocol_number(*protocol) == number)?;
    let key = Key {
        address,
        protocol,
        port: u16::from_be_bytes([high, low]),
    };
    let &[a, b, c, d, high, low, _, _] = value(ELEMENT_DATA)? else {
        return None;
    };
    let target = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
    let container = attribute::find(entry, ELEMENT_USER_DATA).and_then(read_comment);
    Some((key, Element { target, container }))
}

fn read_comment(bytes: &[u8]) -> Option<ContainerId> {
    let [USER_DATA_COMMENT, length, text @ ..] = bytes else {
        return None;
    };
    let text = text.get(..usize::from(*length))?.strip_suffix(&[0])?;
    ContainerId::parse(std::str::from_utf8(text).ok()?).ok()
}

pub(super) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(key: Key, element: &Element) -> Option<(Key, Element)> {
        let mut bytes = Vec::new();
        write_element(&mut bytes, &key, element);
        let (_, entry) = attribute::read(&bytes).next()?;
        read_element(entry)
    }

    #[test]
    fn an_element_is_read_as_it_was_written() {
        let element = Element {
            target: SocketAddrV4::new(Ipv4Addr::new(10, 88, 0, 2), 80),
            container: Some(ContainerId::from_random([7; 32])),
        };
        for address in [None, Some(Ipv4Addr::LOCALHOST)] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let key = Key {
                    address,
                    protocol,
                    port: 8080,
                };
                assert_eq!(read_back(key, &element), Some((key, element.clone())));
            }
        }
    }

    #[test]
    fn an_element_has_the_bytes_that_nft_writes() {
        let key = Key {
            address: None,
            protocol: Protocol::Udp,
            port: 8080,
        };
        let element = Element {
            target: SocketAddrV4::new(Ipv4Addr::new(10, 88, 0, 2), 80),
            container: None,
        };
        let mut bytes = Vec::new();
        write_element(&mut bytes, &key, &element);
        let expected: &[u8] = b"\x24\x00\x01\x80\x10\x00\x01\x80\x0c\x00\x01\x00\x11\x00\x00\x00\x1f\x90\x00\x00\
            \x10\x00\x02\x80\x0c\x00\x01\x00\x0a\x58\x00\x02\x00\x50\x00\x00";
        assert_eq!(bytes, expected);
    }
}
