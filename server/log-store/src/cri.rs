//! The form of a line: `2026-11-23T18:30:00.000000001Z stdout F text`, as the
//! Container Runtime Interface has it. `F` ends a line, `P` is a piece of one. The last
//! piece before a stream was closed without a newline carries a second tag, `P:end`, so
//! that the next run's output is not taken for its continuation. A marker for dropped
//! records is `F:dropped`, and its text begins with their number. Readers of the plain
//! form see ordinary lines.

use crate::{Record, Stream};
use model::Timestamp;

/// Length of a time as written: RFC 3339 in UTC with nine digits of fraction.
const TIME_BYTES: usize = 30;

/// Writes lines. Remembers the last second it wrote out, since records come in
/// crowds and the calendar is the costly part.
#[derive(Debug)]
pub struct Encoder {
    second: i64,
    /// `2026-11-23T18:30:00.`
    prefix: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            second: i64::MIN,
            prefix: Vec::new(),
        }
    }
}

impl Encoder {
    pub fn record(&mut self, to: &mut Vec<u8>, time: Timestamp, stream: Stream, text: &[u8], partial: bool) {
        let tags: &[u8] = match (stream, partial) {
            (Stream::Stdout, false) => b" stdout F ",
            (Stream::Stdout, true) => b" stdout P ",
            (Stream::Stderr, false) => b" stderr F ",
            (Stream::Stderr, true) => b" stderr P ",
        };
        self.line(to, time, tags, text);
    }

    /// The last record of a stream that was closed without a newline.
    pub fn last(&mut self, to: &mut Vec<u8>, time: Timestamp, stream: Stream, text: &[u8]) {
        let tags: &[u8] = match stream {
            Stream::Stdout => b" stdout P:end ",
            Stream::Stderr => b" stderr P:end ",
        };
        self.line(to, time, tags, text);
    }

    fn line(&mut self, to: &mut Vec<u8>, time: Timestamp, tags: &[u8], text: &[u8]) {
        to.reserve(TIME_BYTES + tags.len() + text.len() + 1);
        self.time(to, time);
        to.extend_from_slice(tags);
        to.extend_from_slice(text);
        to.push(b'\n');
    }

    pub fn marker(&mut self, to: &mut Vec<u8>, time: Timestamp, dropped: u64, why: &str) {
        self.time(to, time);
        let why = why.replace('\n', " ");
        to.extend_from_slice(format!(" stderr F:dropped {dropped} log records dropped: {why}\n").as_bytes());
    }

    fn time(&mut self, to: &mut Vec<u8>, time: Timestamp) {
        const NANOS: i64 = 1_000_000_000;
        let second = time.as_unix_nanos().div_euclid(NANOS);
        if second != self.second {
            let text = time.to_string();
            self.prefix.clear();
            self.prefix.extend_from_slice(&text.as_bytes()[..text.len() - 10]);
            self.second = second;
        }
        to.extend_from_slice(&self.prefix);
        let mut digits = [b'0'; 10];
        let mut rest = time.as_unix_nanos().rem_euclid(NANOS);
        for digit in digits[..9].iter_mut().rev() {
            *digit += u8::try_from(rest % 10).expect("a remainder of ten is below ten");
            rest /= 10;
        }
        digits[9] = b'Z';
        to.extend_from_slice(&digits);
    }
}

/// The time of a line, from its first bytes alone.
pub(crate) fn time_of(line: &[u8]) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(std::str::from_utf8(line.get(..TIME_BYTES)?).ok()?)
}

/// Reads a line without its newline as record `seq`. A line that is damaged (a
/// lost disk block) still counts as a record, so that numbers hold: it is shown
/// as it is, at time zero.
pub fn parse(seq: u64, line: &[u8]) -> Record {
    parse_sound(seq, line).unwrap_or_else(|| Record {
        seq,
        time: Timestamp::default(),
        stream: Stream::Stderr,
        partial: false,
        end_of_stream: false,
        dropped: None,
        text: line.to_vec(),
    })
}

/// A record as it stands in a segment, without a copy. The time is not read: that costs
/// more than all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    pub stream: Stream,
    pub partial: bool,
    pub end_of_stream: bool,
    pub dropped: bool,
    pub text: &'a [u8],
}

/// Reads a line without its newline. A damaged line is a record too, as in [`parse`].
pub fn parse_raw(line: &[u8]) -> RawRecord<'_> {
    parse_tags(line).unwrap_or(RawRecord {
        stream: Stream::Stderr,
        partial: false,
        end_of_stream: false,
        dropped: false,
        text: line,
    })
}

fn parse_tags(line: &[u8]) -> Option<RawRecord<'_>> {
    let rest = line.get(TIME_BYTES..)?;
    if line[TIME_BYTES - 1] != b'Z' {
        return None;
    }
    let (stream, rest) = if let Some(rest) = rest.strip_prefix(b" stdout ") {
        (Stream::Stdout, rest)
    } else {
        (Stream::Stderr, rest.strip_prefix(b" stderr ")?)
    };
    // Nearly all records.
    if let Some(text) = rest.strip_prefix(b"F ") {
        return Some(RawRecord {
            stream,
            partial: false,
            end_of_stream: false,
            dropped: false,
            text,
        });
    }
    let (tags, text) = match memchr::memchr(b' ', rest) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &b""[..]),
    };
    let mut tags = tags.split(|byte| *byte == b':');
    let partial = match tags.next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    let mut record = RawRecord {
        stream,
        partial,
        end_of_stream: false,
        dropped: false,
        text,
    };
    for tag in tags {
        record.end_of_stream |= partial && tag == b"end";
        record.dropped |= tag == b"dropped";
    }
    Some(record)
}

fn parse_sound(seq: u64, line: &[u8]) -> Option<Record> {
    let time = time_of(line)?;
    let raw = parse_tags(line)?;
    Some(Record {
        seq,
        time,
        stream: raw.stream,
        partial: raw.partial,
        end_of_stream: raw.end_of_stream,
        dropped: raw.dropped.then(|| leading_number(raw.text)),
        text: raw.text.to_vec(),
    })
}

fn leading_number(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0u64, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(time: i64, stream: Stream, text: &[u8], partial: bool) -> Vec<u8> {
        let mut to = Vec::new();
        Encoder::default().record(&mut to, Timestamp::from_unix_nanos(time), stream, text, partial);
        to
    }

    #[test]
    fn a_line_is_in_the_cri_form() {
        assert_eq!(
            String::from_utf8(line(1_000_000_007, Stream::Stderr, b"oh no", true)).unwrap(),
            "1970-01-01T00:00:01.000000007Z stderr P oh no\n"
        );
    }

    #[test]
    fn a_marker_tells_how_many_are_missing() {
        let mut to = Vec::new();
        Encoder::default().marker(&mut to, Timestamp::from_unix_nanos(0), 42, "disk\nfull");
        let record = parse(7, &to[..to.len() - 1]);
        assert_eq!((record.dropped, record.stream), (Some(42), Stream::Stderr));
        assert_eq!(record.text, b"42 log records dropped: disk full");
    }

    #[test]
    fn the_last_piece_of_a_stream_is_told_from_one_that_continues() {
        let mut to = Vec::new();
        Encoder::default().last(&mut to, Timestamp::from_unix_nanos(0), Stream::Stdout, b"$ ");
        assert_eq!(to, b"1970-01-01T00:00:00.000000000Z stdout P:end $ \n");
        let record = parse(1, &to[..to.len() - 1]);
        assert!(record.partial && record.end_of_stream);
        assert_eq!(record.text, b"$ ");
    }

    #[test]
    fn a_damaged_line_is_still_a_record() {
        for damaged in [&b""[..], b"\0\0\0", b"1970-01-01T00:00:01.000000007Z stdin F x"] {
            let record = parse(3, damaged);
            assert_eq!((record.seq, &record.text[..]), (3, damaged));
        }
    }

    proptest! {
        #[test]
        fn records_read_back(
            time in 0i64..4_000_000_000_000_000_000,
            stdout: bool,
            partial: bool,
            text in proptest::collection::vec(any::<u8>().prop_filter("lines are split before", |b| *b != b'\n'), 0..200),
        ) {
            let stream = if stdout { Stream::Stdout } else { Stream::Stderr };
            let line = line(time, stream, &text, partial);
            let record = parse(1, &line[..line.len() - 1]);
            prop_assert_eq!(record, Record {
                seq: 1,
                time: Timestamp::from_unix_nanos(time),
                stream,
                partial,
                end_of_stream: false,
                dropped: None,
                text,
            });
        }

        #[test]
        fn any_bytes_are_some_record(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(1, &line);
        }
    }
}
