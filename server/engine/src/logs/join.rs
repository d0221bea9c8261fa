//! Puts the records of long lines together: the shim stores a line in pieces of 16 KiB.
//!
//! A joined line has the number and the time of its last record, so that lines come in the
//! order of their numbers, and reading on after a line's number misses and repeats nothing.

use super::line::{LogLine, LogStream};
use super::line_of;
use log_store::{LogError, Reader};

/// A longer line is given in parts of one to two MiB: a part ends at a record whose number
/// is a multiple of this, and has at least as many. So where reading began does not change
/// which parts there are.
const PART_RECORDS: u64 = 64;
/// A part never has more: with two streams that alternate, one of them may have no record
/// whose number is such a multiple.
const MAX_PART_RECORDS: u64 = 4 * PART_RECORDS;
/// How many records before the wanted ones are read for the beginning of a line.
const LOOK_BACK: usize = 256;

/// The beginnings of lines whose ends have not been read.
#[derive(Debug, Default)]
pub struct LineJoiner {
    stdout: Option<Unfinished>,
    stderr: Option<Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    line: LogLine,
    records: u64,
}

impl LineJoiner {
    /// Knows the beginnings of the lines that go on at record `from`.
    pub(super) fn before(reader: &mut Reader, from: u64) -> Result<Self, LogError> {
        let mut joiner = Self::default();
        for record in reader.records_before(from, LOOK_BACK)? {
            joiner.push(line_of(record));
        }
        Ok(joiner)
    }

    /// Takes the next record; gives the line that it ends.
    pub fn push(&mut self, record: LogLine) -> Option<LogLine> {
        if record.dropped.is_some() {
            return Some(record);
        }
        let slot = match record.stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        let (line, records) = match slot.take() {
            None => (record, 1),
            Some(Unfinished { line, records }) => (line.joined(record), records + 1),
        };
        let is_part = records >= PART_RECORDS && line.seq.is_multiple_of(PART_RECORDS);
        if line.ends() || is_part || records >= MAX_PART_RECORDS {
            return Some(line);
        }
        *slot = Some(Unfinished { line, records });
        None
    }

    /// The lines whose ends have not been read, in the order of their numbers.
    pub fn unfinished(self) -> Vec<LogLine> {
        let mut lines: Vec<LogLine> = [self.stdout, self.stderr]
            .into_iter()
            .flatten()
            .map(|unfinished| unfinished.line)
            .collect();
        lines.sort_by_key(|line| line.seq);
        lines
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Whether a stream's next record continues a line.
    pub(super) fn awaits(&self, stream: LogStream) -> bool {
        match stream {
            LogStream::Stdout => self.stdout.is_some(),
            LogStream::Stderr => self.stderr.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn record(seq: u64, stream: LogStream, text: &str, partial: bool) -> LogLine {
        LogLine {
            seq,
            first_seq: seq,
            time: Timestamp::from_unix_nanos(i64::try_from(seq).unwrap()),
            stream,
            partial,
            end_of_stream: false,
            dropped: None,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn pieces_are_joined_by_stream() {
        let mut joiner = LineJoiner::default();
        let mut lines = Vec::new();
        for piece in [
            record(1, LogStream::Stdout, "a", true),
            record(2, LogStream::Stderr, "x", false),
            record(3, LogStream::Stdout, "b", true),
            record(4, LogStream::Stdout, "c", false),
            record(5, LogStream::Stdout, "d", true),
        ] {
            lines.extend(joiner.push(piece));
        }
        let seen: Vec<_> = lines.iter().map(|line| (line.seq, &line.text[..])).collect();
        assert_eq!(seen, [(2, &b"x"[..]), (4, b"abc")]);
        assert_eq!((lines[1].first_seq, lines[1].time.as_unix_nanos()), (1, 4));
        assert_eq!(joiner.unfinished()[0].text, b"d");
    }

    #[test]
    fn what_a_run_left_without_newline_is_not_joined_to_the_next_run() {
        let mut joiner = LineJoiner::default();
        let mut last = record(1, LogStream::Stdout, "no newline", true);
        last.end_of_stream = true;
        assert_eq!(joiner.push(last).unwrap().text, b"no newline");
        let next = joiner.push(record(2, LogStream::Stdout, "next run", false)).unwrap();
        assert_eq!(next.text, b"next run");
    }

    #[test]
    fn an_endless_line_has_the_same_parts_from_wherever_it_is_read() {
        let parts = |from: u64| -> Vec<u64> {
            let mut joiner = LineJoiner::default();
            (from..1000)
                .filter_map(|seq| joiner.push(record(seq, LogStream::Stdout, "x", true)))
                .map(|part| part.seq)
                .filter(|seq| *seq > 600)
                .collect()
        };
        assert!(!parts(3).is_empty());
        for from in [1, 50, 64, 65, 100, 299] {
            assert_eq!(parts(from), parts(3), "{from}");
        }
    }
}
