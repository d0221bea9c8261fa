//! A container's output on its way to disk and back, and log files that a crash or a
//! bad disk has damaged.

use log_store::cri::{self, Encoder};
use log_store::{Lines, Reader, Stream};
use model::Timestamp;
use std::fs;

pub(crate) fn run(bytes: &[u8]) {
    comes_back(bytes);
    reads_damaged(bytes);
}

/// However the output is cut, all of it comes back.
fn comes_back(bytes: &[u8]) {
    let piece = bytes.first().map_or(1, |first| usize::from(*first) + 1);
    let (mut lines, mut encoder) = (Lines::default(), Encoder::default());
    let (mut written, mut seq) = (Vec::new(), 0);
    let mut take = |text: &[u8], partial| {
        let mut line = Vec::new();
        encoder.record(
            &mut line,
            Timestamp::from_unix_nanos(seq),
            Stream::Stderr,
            text,
            partial,
        );
        assert_eq!(line.pop(), Some(b'\n'));
        let record = cri::parse(1, &line);
        assert_eq!(
            (record.stream, record.partial, record.dropped),
            (Stream::Stderr, partial, None)
        );
        assert_eq!(record.time.as_unix_nanos(), seq);
        seq += 1;
        written.extend(record.text);
        if !partial {
            written.push(b'\n');
        }
    };
    for part in bytes.chunks(piece) {
        lines.push(part, &mut take);
    }
    lines.finish(&mut take);
    assert_eq!(written, bytes);
}

/// Each finished line of a file is a record, whatever is in it.
fn reads_damaged(bytes: &[u8]) {
    let dir = tempfile::Builder::new()
        .prefix("fuzz-log-")
        .tempdir()
        .expect("a temporary directory");
    let log = dir.path().join("00000000000000000001.log");
    fs::write(&log, bytes).expect("a writable directory");
    // Not one of ours: passed over.
    fs::write(dir.path().join("7.log"), bytes).expect("a writable directory");
    let finished = bytes.iter().filter(|byte| **byte == b'\n').count();
    let Ok(mut reader) = Reader::open(dir.path()) else {
        return;
    };
    assert_eq!((reader.first_seq(), reader.next_seq()), (1, finished as u64 + 1));
    let records = reader.records(1, usize::MAX).expect("it can be read");
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, (1..=finished as u64).collect::<Vec<_>>());
    let last = reader.tail(3).expect("it can be read");
    assert_eq!(last, records[records.len().saturating_sub(3)..]);
    let _ = reader.seq_at_time(Timestamp::from_unix_nanos(1_000_000_000));
    // An index that lies may cost answers, but nothing else.
    fs::write(dir.path().join("00000000000000000001.index"), bytes).expect("a writable directory");
    if let Ok(mut reader) = Reader::open(dir.path()) {
        let _ = (reader.records(1, 10), reader.tail(3));
        let _ = reader.seq_at_time(Timestamp::from_unix_nanos(1_000_000_000));
    }
}
