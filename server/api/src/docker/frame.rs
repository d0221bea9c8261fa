//! Two streams in one: a header of eight bytes, then what was written. The
//! header is the stream's number, three zeros, and the length, big-endian.

use engine::LogStream;

/// Appends a frame; `None` appends the bytes alone, as a terminal has it.
pub(super) fn write(out: &mut Vec<u8>, stream: Option<LogStream>, parts: &[&[u8]]) {
    if let Some(stream) = stream {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).expect("a line is far below 4 GiB");
        let number = match stream {
            LogStream::Stdout => 1,
            LogStream::Stderr => 2,
        };
        out.extend_from_slice(&[number, 0, 0, 0]);
        out.extend_from_slice(&length.to_be_bytes());
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_stream_and_length() {
        let mut out = Vec::new();
        write(&mut out, Some(LogStream::Stderr), &[b"ab", b"c"]);
        assert_eq!(out, b"\x02\0\0\0\0\0\0\x03abc");
    }
}
