//! Frames: cutting them out of a stream of bytes, and versions.
//!
//! Pure functions over buffers, so that the shim's event loop and the server's
//! tasks share them; [`read`] and [`write()`] are for blocking callers.

use crate::{OLDEST_VERSION, VERSION};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// The largest JSON text of a frame.
pub const MAX_BYTES: usize = 1 << 20;

/// Length of the length.
const HEADER_BYTES: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes was announced; {MAX_BYTES} is the most")]
    TooLong(usize),
    #[error("the peer speaks version {0} of the shim protocol; this program knows {OLDEST_VERSION} to {VERSION}")]
    Version(u32),
    #[error("a frame does not hold the expected message: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the connection was closed in the middle of a frame")]
    Truncated,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    v: u32,
    #[serde(flatten)]
    message: &'a T,
}

#[derive(Deserialize)]
struct Incoming<T> {
    #[serde(flatten)]
    message: T,
}

/// Read first and alone: a message of an unknown version may have another shape.
#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// The bytes of one frame that holds `message`.
///
/// # Errors
/// [`FrameError::TooLong`] when the peer would have to refuse it.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, &Outgoing { v: VERSION, message })?;
    let length = bytes.len() - HEADER_BYTES;
    let announced = u32::try_from(length).ok().filter(|_| length <= MAX_BYTES);
    let announced = announced.ok_or(FrameError::TooLong(length))?;
    bytes[..HEADER_BYTES].copy_from_slice(&announced.to_be_bytes());
    Ok(bytes)
}

/// The message in a frame's JSON text.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, FrameError> {
    let VersionOnly { v } = serde_json::from_slice(json)?;
    if !(OLDEST_VERSION..=VERSION).contains(&v) {
        return Err(FrameError::Version(v));
    }
    let incoming: Incoming<T> = serde_json::from_slice(json)?;
    Ok(incoming.message)
}

/// The first frame in `buffer`, as its JSON text and the number of bytes it takes
/// up, or `None` when it is not complete yet.
///
/// # Errors
/// [`FrameError::TooLong`] as soon as the length is known, before anything is
/// collected.
pub fn split(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*header) as usize;
    if length > MAX_BYTES {
        return Err(FrameError::TooLong(length));
    }
    Ok(rest.get(..length).map(|json| (json, HEADER_BYTES + length)))
}

/// Collects what a connection brings until it makes frames.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    taken: usize,
}

impl Inbox {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message. After an error the connection is of no use.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((json, length)) = split(&self.buffer[self.taken..])? else {
            return Ok(None);
        };
        let message = decode(json);
        self.taken += length;
        message.map(Some)
    }

    /// Whether part of a frame waits for its rest.
    pub fn is_empty(&self) -> bool {
        self.taken == self.buffer.len()
    }

    /// What came after the last frame taken: on a raw connection the first bytes
    /// of its stream.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.drain(..self.taken);
        self.buffer
    }
}

/// Blocks until one message has been read; `None` when the peer has closed.
/// Reads not a byte more than the frame.
pub fn read<T: DeserializeOwned>(from: &mut impl io::Read) -> Result<Option<T>, FrameError> {
    let mut header = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        match from.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_be_bytes(header) as usize;
    if length > MAX_BYTES {
        return Err(FrameError::TooLong(length));
    }
    let mut json = vec![0; length];
    from.read_exact(&mut json).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Io(error),
    })?;
    decode(&json).map(Some)
}

/// Blocks until `message` has been written.
pub fn write<T: Serialize>(to: &mut impl io::Write, message: &T) -> Result<(), FrameError> {
    to.write_all(&encode(message)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, FromShim, Problem, Request};

    fn request(seq: u64) -> Request {
        Request {
            seq,
            command: Command::Start,
        }
    }

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let mut bytes = encode(&request(1)).unwrap();
        bytes.extend(encode(&request(2)).unwrap());
        for piece in 1..bytes.len() {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for part in bytes.chunks(piece) {
                inbox.push(part);
                while let Some(message) = inbox.take::<Request>().unwrap() {
                    seen.push(message.seq);
                }
            }
            assert_eq!(seen, [1, 2], "pieces of {piece}");
            assert!(inbox.is_empty());
        }
    }

    #[test]
    fn what_follows_the_last_frame_is_handed_on() {
        let mut bytes = encode(&request(1)).unwrap();
        bytes.extend(b"raw");
        let mut inbox = Inbox::default();
        inbox.push(&bytes);
        assert!(inbox.take::<Request>().unwrap().is_some());
        assert_eq!(inbox.into_rest(), b"raw");
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
        let announced = u32::try_from(MAX_BYTES + 1).unwrap().to_be_bytes();
        assert!(matches!(split(&announced), Err(FrameError::TooLong(_))));
        let message = FromShim::Failed(Problem {
            step: String::new(),
            message: "x".repeat(MAX_BYTES),
            code: None,
        });
        assert!(matches!(encode(&message), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn unknown_fields_are_ignored_and_other_versions_refused() {
        let newer = br#"{"v":1,"seq":7,"do":"start","colour":"blue"}"#;
        assert_eq!(decode::<Request>(newer).unwrap(), request(7));
        let other = br#"{"v":99,"seq":7,"do":"start"}"#;
        assert!(matches!(decode::<Request>(other), Err(FrameError::Version(99))));
        assert!(decode::<Request>(br#"{"seq":7,"do":"start"}"#).is_err());
    }

    #[test]
    fn an_unknown_command_keeps_its_number() {
        let message: Request = decode(br#"{"v":1,"seq":9,"do":"checkpoint","leave_running":true}"#).unwrap();
        assert_eq!((message.seq, message.command), (9, Command::Unknown));
    }

    #[test]
    fn blocking_readers_tell_a_clean_end_from_a_broken_frame() {
        let bytes = encode(&request(1)).unwrap();
        assert!(read::<Request>(&mut &bytes[..]).unwrap().is_some());
        assert!(read::<Request>(&mut &b""[..]).unwrap().is_none());
        assert!(matches!(
            read::<Request>(&mut &bytes[..bytes.len() - 1]),
            Err(FrameError::Truncated)
        ));
    }
}
