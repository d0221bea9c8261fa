//! Requests to the kernel and its answers, over one netlink socket.
//!
//! A request is numbered, and its answer bears the number; whatever else is read
//! belongs to a request that was given up, and is skipped.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use std::io;
use sys::netlink::{Family, Socket};

const HEADER_BYTES: usize = 16;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
/// The error repeats only the header of its request.
const FLAG_CAPPED: u16 = 0x100;
/// The error carries attributes: words among them.
const FLAG_ATTRIBUTES: u16 = 0x200;
const ATTRIBUTE_WORDS: u16 = 1;

#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel's answer to the request with this place in its batch.
    #[error("{}", match said { Some(said) => format!("{source}: {said}"), None => source.to_string() })]
    Refused {
        place: usize,
        source: io::Error,
        /// The kernel's own explanation, where it gave one.
        said: Option<String>,
    },
    #[error("the netlink socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("an answer of the kernel cannot be read: {0}")]
    Answer(String),
}

impl NetlinkError {
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Refused { source, .. } | Self::Socket(source) => source.kind(),
            Self::Answer(_) => io::ErrorKind::InvalidData,
        }
    }
}

/// One message as read: its header's fields and what follows.
pub(crate) struct Incoming<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A change to devices, addresses or routes, with its flags (`NLM_F_CREATE` and so on).
pub(crate) struct Change {
    message: RouteNetlinkMessage,
    flags: u16,
    /// Refusal is no failure: the kernel may lack what this is about.
    optional: bool,
}

impl Change {
    pub(crate) fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self {
            message,
            flags,
            optional: false,
        }
    }

    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

impl Connection {
    /// Speaks with the network namespace of the calling thread, and goes on to.
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        Ok(Self {
            socket: Socket::open(family)?,
            sequence: 0,
            buffer: Vec::new(),
        })
    }

    /// Makes all changes in one call, in order. The kernel goes on after one it
    /// refuses; the first refusal is the error.
    pub(crate) fn change(&mut self, changes: Vec<Change>) -> Result<(), NetlinkError> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut optional = Vec::with_capacity(changes.len());
        for change in changes {
            optional.push(change.optional);
            let sequence = self.next_sequence();
            write(
                &mut bytes,
                &change.message,
                NLM_F_REQUEST | NLM_F_ACK | change.flags,
                sequence,
            );
        }
        let mut outcome = Ok(());
        for (place, answer) in self.exchange(&bytes, first, optional.len())?.into_iter().enumerate() {
            if let (Err(error), false, Ok(())) = (answer, optional[place], &outcome) {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Sends a batch and reads one answer for each of the `count` numbers from `first` on.
    pub(crate) fn exchange(
        &mut self,
        bytes: &[u8],
        first: u32,
        count: usize,
    ) -> Result<Vec<Result<(), NetlinkError>>, NetlinkError> {
        self.socket.send(bytes)?;
        let mut answers: Vec<Option<Result<(), NetlinkError>>> = (0..count).map(|_| None).collect();
        let mut missing = count;
        while missing > 0 {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message?;
                let place = message.sequence.wrapping_sub(first) as usize;
                if message.kind == TYPE_ERROR && place < count && answers[place].is_none() {
                    answers[place] = Some(outcome(&message, place));
                    missing -= 1;
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Asks for one object.
    pub(crate) fn get(&mut self, message: &RouteNetlinkMessage) -> Result<RouteNetlinkMessage, NetlinkError> {
        let sequence = self.next_sequence();
        let mut bytes = Vec::new();
        write(&mut bytes, message, NLM_F_REQUEST, sequence);
        self.socket.send(&bytes)?;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                if message.kind == TYPE_ERROR {
                    outcome(&message, 0)?;
                    continue;
                }
                return decode(&message);
            }
        }
    }

    /// Asks for all objects of a kind.
    pub(crate) fn list(&mut self, message: &RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let sequence = self.next_sequence();
        let mut bytes = Vec::new();
        write(&mut bytes, message, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        let mut all = Vec::new();
        self.dump(&bytes, sequence, |message| {
            all.push(decode(message)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Sends a request for a dump and hands over each message of the answer.
    pub(crate) fn dump(
        &mut self,
        bytes: &[u8],
        sequence: u32,
        mut each: impl FnMut(&Incoming<'_>) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        self.socket.send(bytes)?;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    TYPE_DONE => return Ok(()),
                    TYPE_ERROR => return outcome(&message, 0),
                    _ => each(&message)?,
                }
            }
        }
    }

    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn receive(&mut self) -> Result<(), NetlinkError> {
        loop {
            match self.socket.receive(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel gave no answer").into());
                }
                other => return Ok(other?),
            }
        }
    }
}

fn write(bytes: &mut Vec<u8>, message: &RouteNetlinkMessage, flags: u16, sequence: u32) {
    let length = HEADER_BYTES + message.buffer_len();
    let start = bytes.len();
    bytes.resize(start + length.next_multiple_of(4), 0);
    let length_field = u32::try_from(length).expect("a message stays far below 4 GiB");
    bytes[start..start + 4].copy_from_slice(&length_field.to_ne_bytes());
    bytes[start + 4..start + 6].copy_from_slice(&message.message_type().to_ne_bytes());
    bytes[start + 6..start + 8].copy_from_slice(&flags.to_ne_bytes());
    bytes[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    message.serialize(&mut bytes[start + HEADER_BYTES..start + length]);
}

fn decode(message: &Incoming<'_>) -> Result<RouteNetlinkMessage, NetlinkError> {
    let mut header = NetlinkHeader::default();
    header.message_type = message.kind;
    header.flags = message.flags;
    RouteNetlinkMessage::deserialize(&header, message.body).map_err(|error| NetlinkError::Answer(error.to_string()))
}

/// The messages of one datagram.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Result<Incoming<'_>, NetlinkError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let short = || NetlinkError::Answer("a message is cut short".to_owned());
        let Some(length) = u32_at(bytes, 0).map(|length| length as usize) else {
            bytes = &[];
            return Some(Err(short()));
        };
        if length < HEADER_BYTES || length > bytes.len() {
            bytes = &[];
            return Some(Err(short()));
        }
        let message = Incoming {
            kind: u16::from_ne_bytes([bytes[4], bytes[5]]),
            flags: u16::from_ne_bytes([bytes[6], bytes[7]]),
            sequence: u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            body: &bytes[HEADER_BYTES..length],
        };
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        Some(Ok(message))
    })
}

/// What an error message says; the code 0 acknowledges.
fn outcome(message: &Incoming<'_>, place: usize) -> Result<(), NetlinkError> {
    let code = u32_at(message.body, 0).ok_or_else(|| NetlinkError::Answer("an error is cut short".to_owned()))? as i32;
    if code == 0 {
        return Ok(());
    }
    Err(NetlinkError::Refused {
        place,
        source: io::Error::from_raw_os_error(-code),
        said: words(message),
    })
}

fn words(message: &Incoming<'_>) -> Option<String> {
    if message.flags & FLAG_ATTRIBUTES == 0 {
        return None;
    }
    let request = if message.flags & FLAG_CAPPED == 0 {
        u32_at(message.body, 4)? as usize
    } else {
        HEADER_BYTES
    };
    let attributes = message.body.get(4 + request.next_multiple_of(4)..)?;
    let (_, words) = crate::attribute::read(attributes).find(|(kind, _)| *kind == ATTRIBUTE_WORDS)?;
    let words = String::from_utf8_lossy(words);
    Some(words.trim_end_matches('\0').to_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}
