//! Frames and messages between server and shim, and the two records on disk. The first
//! byte says into which pieces the connection cuts the rest.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shim_protocol::{ExitRecord, FromShim, Hello, Inbox, Launch, Request, ShimRecord, decode, encode, frame, stream};
use std::fmt::Debug;

pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, rest)) = bytes.split_first() else {
        return;
    };
    frames(rest, usize::from(*cut) + 1);
    message::<Launch>(rest);
    message::<Request>(rest);
    message::<FromShim>(rest);
    message::<Hello>(rest);
    if let Ok(record) = ExitRecord::from_json(rest) {
        assert_eq!(ExitRecord::from_json(&record.to_json()).expect("our own"), record);
    }
    if let Ok(record) = ShimRecord::from_json(rest) {
        assert_eq!(ShimRecord::from_json(&record.to_json()).expect("our own"), record);
    }
    if let Some(header) = rest.first_chunk()
        && let Some((which, length)) = stream::parse_header(*header)
    {
        assert_eq!(stream::header(which, length), *header);
    }
}

/// However bytes arrive, the same frames come out of them, and what follows them.
fn frames(bytes: &[u8], piece: usize) {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let mut at = bytes;
    let end = loop {
        match frame::split(at) {
            Ok(Some((json, length))) => {
                let message = decode::<Request>(json);
                at = &at[length..];
                match message {
                    Ok(message) => whole.push(message),
                    Err(_) => break "malformed",
                }
            }
            Ok(None) => break "unfinished",
            Err(_) => break "too long",
        }
    };
    let mut inbox = Inbox::default();
    let mut failed = false;
    'connection: for part in bytes.chunks(piece) {
        inbox.push(part);
        loop {
            match inbox.take::<Request>() {
                Ok(Some(message)) => cut.push(message),
                Ok(None) => break,
                Err(_) => {
                    failed = true;
                    break 'connection;
                }
            }
        }
    }
    assert_eq!(cut, whole);
    assert_eq!(failed, end != "unfinished");
    if end == "unfinished" {
        assert_eq!(inbox.into_rest(), at);
    }
    let mut blocking = Vec::new();
    let mut from = bytes;
    while let Ok(Some(message)) = frame::read::<Request>(&mut from) {
        blocking.push(message);
    }
    assert_eq!(blocking, whole);
}

/// What was understood is understood again when it is sent on.
fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) {
    let Ok(message) = decode::<T>(json) else { return };
    let Ok(sent) = encode(&message) else { return };
    let (again, length) = frame::split(&sent).expect("our own").expect("all of it");
    assert_eq!(length, sent.len());
    assert_eq!(decode::<T>(again).expect("our own"), message);
}
