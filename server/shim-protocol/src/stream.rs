//! Connections to the shim's socket: what they are for, and the form of output.

use crate::{Target, WindowSize};
use serde::{Deserialize, Serialize};

/// The first frame on every connection to `shim.sock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hello", rename_all = "snake_case")]
pub enum Hello {
    Control,
    Attach(Attach),
    Exec(Box<Exec>),
    /// Something a newer server wants; refused.
    #[serde(other)]
    Unknown,
}

/// Joins the standard streams of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    pub target: Target,
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub stdout: bool,
    #[serde(default)]
    pub stderr: bool,
}

/// Begins a further process in the container. The reply carries its identity or
/// the reason and code (126, 127) of its failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    pub exec_id: String,
    /// The OCI `process` object (runtime-spec, config.md, "Process"); its
    /// `terminal` says whether there is a terminal.
    pub process: serde_json::Value,
    /// Without it the process reads from /dev/null.
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub stdout: bool,
    #[serde(default)]
    pub stderr: bool,
    /// Close this connection after the reply and let the process run alone.
    #[serde(default)]
    pub detach: bool,
    #[serde(default)]
    pub size: Option<WindowSize>,
    /// What the server has to know of the exec if it should return without memory:
    /// kept as it is, and told again in [`crate::ExecState::kept`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// Length of [`header`].
pub const HEADER_BYTES: usize = 8;

/// What precedes a piece of output on a connection without terminal: the stream
/// (1 or 2), three zeros, the piece's length as four big-endian bytes. The form
/// of the Docker API's attach ("Stream format"), so that the server can hand it on
/// as it is.
pub fn header(stream: OutputStream, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    let kind = match stream {
        OutputStream::Stdout => 1,
        OutputStream::Stderr => 2,
    };
    [kind, 0, 0, 0, a, b, c, d]
}

/// Reads [`header`] back; `None` when it is none.
pub fn parse_header(bytes: [u8; HEADER_BYTES]) -> Option<(OutputStream, u32)> {
    let [kind, 0, 0, 0, a, b, c, d] = bytes else {
        return None;
    };
    let stream = match kind {
        1 => OutputStream::Stdout,
        2 => OutputStream::Stderr,
        _ => return None,
    };
    Some((stream, u32::from_be_bytes([a, b, c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn headers_read_back() {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            assert_eq!(parse_header(header(stream, 70_000)), Some((stream, 70_000)));
        }
        assert_eq!(parse_header([3, 0, 0, 0, 0, 0, 0, 1]), None);
    }

    #[test]
    fn every_hello_reads_back_as_itself() {
        let attach = Attach {
            target: Target::Init,
            stdin: true,
            stdout: true,
            stderr: false,
        };
        let exec = Exec {
            exec_id: "e".into(),
            process: serde_json::json!({"args": ["sh"], "cwd": "/", "terminal": true}),
            stdin: false,
            stdout: true,
            stderr: true,
            detach: false,
            size: Some(WindowSize { rows: 5, cols: 9 }),
            kept: Some(serde_json::json!({"user": "me"})),
        };
        for hello in [Hello::Control, Hello::Attach(attach), Hello::Exec(Box::new(exec))] {
            let bytes = encode(&hello).unwrap();
            assert_eq!(decode::<Hello>(&bytes[4..]).unwrap(), hello);
        }
    }
}
