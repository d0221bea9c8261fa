//! The few requests about devices and addresses that are needed here, written by hand:
//! the types of all of them would make the static program larger, and each start reads
//! it. rtnetlink(7), netlink(7)

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use sys::netlink::{Family, Socket};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;

const LINK_NAME: u16 = 3;
const LINK_NAMESPACE: u16 = 28;
const LINK_UP: u32 = 1;

const ADDRESS_LABEL: u16 = 3;
const ADDRESS_CACHE: u16 = 6;
const ADDRESS_FLAGS: u16 = 8;
const ADDRESS_NAMESPACE: u16 = 10;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const INET6: u8 = 10;
const PERMANENT: u32 = 0x80;
/// No duplicate address detection, home address, temporary ones follow it, no route to
/// its prefix: what can be asked for. The others are the kernel's own. linux/if_addr.h
const SETTABLE: u32 = 0x02 | 0x10 | 0x100 | 0x200;

const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ENODEV: i32 = 19;

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    sequence: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) up: bool,
}

/// An address as the kernel told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    family: u8,
    prefix: u8,
    scope: u8,
    flags: u32,
    /// Those that are no moment's and no device's.
    attributes: Vec<(u16, Vec<u8>)>,
    /// Of IPv4 alone, and begins with the device's name.
    label: Option<Vec<u8>>,
    lifetimes: Option<Vec<u8>>,
}

impl Address {
    /// Whether it comes along: permanent, and of use beyond the link.
    pub(super) fn comes_along(&self) -> bool {
        self.scope == SCOPE_UNIVERSE && self.flags & PERMANENT != 0
    }
}

impl Connection {
    /// With the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            socket: Socket::open(Family::Route)?,
            sequence: 0,
        })
    }

    pub(super) fn open_in(namespace: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            socket: Socket::open_in(namespace, Family::Route)?,
            sequence: 0,
        })
    }

    pub(super) fn find(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut request = Request::link(GET_LINK, 0, 0, 0);
        request.attribute(LINK_NAME, &text(name));
        let mut found = None;
        let asked = self.exchange(request, ACK, |kind, body| {
            if let (NEW_LINK, Some(index), Some(flags)) = (kind, u32_at(body, 4), u32_at(body, 8)) {
                found = Some(Link {
                    index,
                    up: flags & LINK_UP != 0,
                });
            }
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(ENODEV) => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }

    /// Of every family, in their order, without those that the kernel makes by itself.
    pub(super) fn addresses(&mut self, device: u32) -> io::Result<Vec<Address>> {
        let mut all = Vec::new();
        let request = Request::new(GET_ADDRESS, &[0; ADDRESS_HEADER]);
        self.exchange(request, DUMP, |kind, body| {
            if kind == NEW_ADDRESS && u32_at(body, 4) == Some(device) {
                all.extend(address(body));
            }
        })?;
        Ok(all)
    }

    /// Moves a device into another network namespace and names it there, in one request.
    pub(super) fn move_to(&mut self, device: u32, namespace: RawFd, name: &str) -> io::Result<()> {
        let mut request = Request::link(SET_LINK, device, 0, 0);
        request.attribute(LINK_NAMESPACE, &namespace.to_ne_bytes());
        request.attribute(LINK_NAME, &text(name));
        self.change(request, 0)
    }

    pub(super) fn rename(&mut self, device: u32, name: &str) -> io::Result<()> {
        let mut request = Request::link(SET_LINK, device, 0, 0);
        request.attribute(LINK_NAME, &text(name));
        self.change(request, 0)
    }

    pub(super) fn set_up(&mut self, device: u32) -> io::Result<()> {
        self.change(Request::link(SET_LINK, device, LINK_UP, LINK_UP), 0)
    }

    /// With its label where the device has the name that labels begin with. One that is
    /// not permanent lives as long as it had left.
    pub(super) fn add_address(&mut self, device: u32, address: &Address, labelled: bool) -> io::Result<()> {
        let flags = address.flags & SETTABLE;
        let mut header = vec![address.family, address.prefix, (flags & 0xff) as u8, address.scope];
        header.extend(device.to_ne_bytes());
        let mut request = Request::new(NEW_ADDRESS, &header);
        request.attribute(ADDRESS_FLAGS, &flags.to_ne_bytes());
        if let (Some(lifetimes), 0) = (&address.lifetimes, address.flags & PERMANENT) {
            request.attribute(ADDRESS_CACHE, lifetimes);
        }
        for (kind, value) in &address.attributes {
            request.attribute(*kind, value);
        }
        if let (Some(label), true) = (&address.label, labelled) {
            request.attribute(ADDRESS_LABEL, label);
        }
        self.change(request, CREATE | EXCLUSIVE)
    }

    fn change(&mut self, request: Request, flags: u16) -> io::Result<()> {
        self.exchange(request, ACK | flags, |_, _| {})
    }

    /// Sends a request and hands over each message of the answer, up to its end.
    fn exchange(&mut self, request: Request, flags: u16, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.sequence += 1;
        self.socket.send(&request.finish(flags, self.sequence))?;
        let mut buffer = Vec::new();
        loop {
            match self.socket.receive(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            }
            let mut rest = buffer.as_slice();
            while let Some(message) = Message::first(&mut rest) {
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    ERROR => return outcome(message.body),
                    DONE => return Ok(()),
                    kind => each(kind, message.body),
                }
            }
        }
    }
}

/// The errno that answers a request; 0 says that it was done.
fn outcome(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// `None` for those that are not kept.
fn address(body: &[u8]) -> Option<Address> {
    let header = body.get(..ADDRESS_HEADER)?;
    let (family, prefix, scope) = (header[0], header[1], header[3]);
    let mut flags = u32::from(header[2]);
    let mut kept = Vec::new();
    let (mut label, mut lifetimes) = (None, None);
    let mut rest = &body[ADDRESS_HEADER..];
    while let Some((kind, value)) = first_attribute(&mut rest) {
        match kind {
            ADDRESS_FLAGS => flags = u32_at(value, 0)?,
            ADDRESS_LABEL => label = Some(value.to_vec()),
            ADDRESS_CACHE => lifetimes = Some(value.to_vec()),
            ADDRESS_NAMESPACE => {}
            _ => kept.push((kind, value.to_vec())),
        }
    }
    let is_made_by_the_kernel = family == INET6 && scope == SCOPE_LINK;
    (!is_made_by_the_kernel).then_some(Address {
        family,
        prefix,
        scope,
        flags,
        attributes: kept,
        label,
        lifetimes,
    })
}

struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(header);
        Self(bytes)
    }

    /// `struct ifinfomsg`
    fn link(kind: u16, index: u32, flags: u32, mask: u32) -> Self {
        let mut header = [0; LINK_HEADER];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        header[8..12].copy_from_slice(&flags.to_ne_bytes());
        header[12..].copy_from_slice(&mask.to_ne_bytes());
        Self::new(kind, &header)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[6..8].copy_from_slice(&(REQUEST | flags).to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes it off `bytes`; what is cut short is none.
    fn first(bytes: &mut &'a [u8]) -> Option<Self> {
        let length = u32_at(bytes, 0)? as usize;
        let whole = bytes.get(..length)?;
        let message = Self {
            kind: u16_at(whole, 4)?,
            sequence: u32_at(whole, 8)?,
            body: whole.get(HEADER..)?,
        };
        *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

fn first_attribute<'a>(bytes: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = usize::from(u16_at(bytes, 0)?);
    let attribute = (u16_at(bytes, 2)?, bytes.get(4..length)?);
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(attribute)
}

/// Names end in a zero byte.
fn text(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(place..place + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}
