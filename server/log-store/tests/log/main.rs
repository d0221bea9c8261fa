//! Writer and reader on a real directory, in one process and in two.

mod packed;

use log_store::{LogError, Options, Reader, Record, Stream, Writer};
use model::Timestamp;
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOMY: Options = Options {
    segment_bytes: 1 << 30,
    segments: 4,
};

/// Record n is written at second n.
fn at(seq: u64) -> Timestamp {
    Timestamp::from_unix_nanos(i64::try_from(seq).unwrap() * 1_000_000_000)
}

fn text(seq: u64) -> String {
    format!("line {seq} {}", "x".repeat(usize::try_from(seq % 90).unwrap()))
}

fn write(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let seq = writer.next_seq();
        writer.append(at(seq), Stream::Stdout, text(seq).as_bytes(), false);
    }
    writer.commit().unwrap();
}

/// Records that are what [`write`] makes of their number, one after the other.
fn assert_sound(records: &[Record]) {
    for (record, seq) in records.iter().zip(records.first().map_or(0, |first| first.seq)..) {
        assert_eq!(
            (
                record.seq,
                String::from_utf8_lossy(&record.text).into_owned(),
                record.time
            ),
            (seq, text(seq), at(seq))
        );
    }
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_written_is_read_from_any_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    write(&mut writer, 3000);
    for from in [1, 2, 255, 256, 257, 258, 512, 513, 1000, 2999, 3000] {
        let records = Reader::open(dir.path()).unwrap().records(from, 300).unwrap();
        assert_eq!(records[0].seq, from);
        assert_eq!(records.len() as u64, (3001 - from).min(300));
        assert_sound(&records);
    }
    assert!(Reader::open(dir.path()).unwrap().records(3001, 9).unwrap().is_empty());
}

#[test]
fn a_log_never_written_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = Reader::open(dir.path().join("none")).unwrap();
    assert_eq!((reader.first_seq(), reader.next_seq()), (1, 1));
    assert!(reader.records(1, 10).unwrap().is_empty());
    assert_eq!(reader.seq_at_time(at(1)).unwrap(), 1);
    assert!(reader.tail(10).unwrap().is_empty());
}

#[test]
fn a_reader_sees_what_is_appended_also_across_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 20_000,
        segments: 1000,
    };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut next = 1;
    for round in 0..200 {
        write(&mut writer, round % 37);
        loop {
            let records = reader.records(next, 50).unwrap();
            let Some(last) = records.last() else { break };
            assert_eq!(records[0].seq, next);
            assert_sound(&records);
            next = last.seq + 1;
        }
        assert_eq!(next, writer.next_seq());
    }
    assert!(files(dir.path(), "log").len() > 5);
}

#[test]
fn numbers_go_on_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 30_000,
        segments: 1000,
    };
    for round in 1..=20 {
        let mut writer = Writer::open(dir.path(), options).unwrap();
        assert_eq!(writer.next_seq(), (round - 1) * 77 + 1);
        write(&mut writer, 77);
        writer.finish().unwrap();
    }
    let records = Reader::open(dir.path()).unwrap().records(1, 5000).unwrap();
    assert_eq!(records.len(), 1540);
    assert_sound(&records);
}

#[test]
fn a_torn_last_line_is_not_shown_and_cut_off_at_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    write(&mut writer, 700);
    drop(writer);
    let log = files(dir.path(), "log").remove(0);
    let whole = fs::read(&log).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"1970-01-01T00:11:41.000000000Z stdout F half a l")
        .unwrap();
    assert_eq!(Reader::open(dir.path()).unwrap().next_seq(), 701);
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    assert_eq!(fs::read(&log).unwrap(), whole);
    write(&mut writer, 300);
    let records = Reader::open(dir.path()).unwrap().records(1, 5000).unwrap();
    assert_eq!(records.len(), 1000);
    assert_sound(&records);
}

#[test]
fn the_index_may_be_missing_short_or_nonsense() {
    for damage in [Vec::new(), vec![7; 100], vec![0; 16 * 30]] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
        write(&mut writer, 2000);
        drop(writer);
        fs::write(files(dir.path(), "index").remove(0), &damage).unwrap();
        let records = Reader::open(dir.path()).unwrap().records(1500, 10).unwrap();
        assert_eq!(records[0].seq, 1500);
        assert_sound(&records);
        let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
        assert_eq!(writer.next_seq(), 2001);
        write(&mut writer, 2000);
        let records = Reader::open(dir.path()).unwrap().records(3900, 500).unwrap();
        assert_eq!(records.len(), 101);
        assert_sound(&records);
    }
}

#[test]
fn only_the_newest_segments_are_kept_and_a_reader_goes_on_at_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 10_000,
        segments: 3,
    };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    write(&mut writer, 10);
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.records(1, 5).unwrap().len(), 5);
    write(&mut writer, 2000);
    assert_eq!(files(dir.path(), "log").len(), 3);
    assert_eq!(
        files(dir.path(), "index").len(),
        files(dir.path(), "log")
            .iter()
            .filter(|log| log.with_extension("index").exists())
            .count()
    );
    let mut next = 6;
    loop {
        let records = reader.records(next, 5000).unwrap();
        let Some(last) = records.last() else { break };
        assert!(records[0].seq >= next);
        assert_sound(&records);
        next = last.seq + 1;
    }
    assert_eq!(next, 2011);
    let fresh = Reader::open(dir.path()).unwrap();
    assert!(fresh.first_seq() > 1000);
    for log in files(dir.path(), "log") {
        assert!(fs::metadata(log).unwrap().len() <= 10_000);
    }
}

#[test]
fn the_tail_is_read_without_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 10_000,
        segments: 100,
    };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    write(&mut writer, 1000);
    let mut reader = Reader::open(dir.path()).unwrap();
    let tail = reader.tail(250).unwrap();
    assert_eq!((tail.len(), tail[0].seq), (250, 751));
    assert_sound(&tail);
    let before = reader.records_before(751, 100).unwrap();
    assert_eq!((before[0].seq, before[99].seq), (651, 750));
    assert_eq!(reader.records_before(3, 100).unwrap().len(), 2);
    assert_eq!(reader.tail(5000).unwrap().len(), 1000);
}

#[test]
fn a_time_leads_to_its_first_record() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 60_000,
        segments: 100,
    };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    write(&mut writer, 3000);
    let mut reader = Reader::open(dir.path()).unwrap();
    for seq in [1, 2, 256, 257, 800, 1500, 2999, 3000] {
        assert_eq!(reader.seq_at_time(at(seq)).unwrap(), seq);
        let just_before = Timestamp::from_unix_nanos(at(seq).as_unix_nanos() - 1);
        assert_eq!(reader.seq_at_time(just_before).unwrap(), seq);
    }
    assert_eq!(reader.seq_at_time(at(0)).unwrap(), 1);
    assert_eq!(reader.seq_at_time(at(3001)).unwrap(), 3001);
}

#[test]
fn dropped_records_are_counted_and_marked_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    writer.append(at(1), Stream::Stdout, b"before", false);
    writer.commit().unwrap();
    writer.drop_records(5, at(2), "the buffer was full");
    writer.append(at(3), Stream::Stderr, b"after", true);
    writer.commit().unwrap();
    let records = Reader::open(dir.path()).unwrap().records(1, 10).unwrap();
    assert_eq!(
        records.iter().map(|r| r.dropped).collect::<Vec<_>>(),
        [None, Some(5), None]
    );
    assert_eq!(records[1].text, b"5 log records dropped: the buffer was full");
    assert!(records[2].partial);
    assert_eq!(writer.dropped(), 5);
    writer.append(at(4), Stream::Stdout, b"last", false);
    writer.drop_records(2, at(5), "the buffer was full");
    writer.finish().unwrap();
    let last = Reader::open(dir.path()).unwrap().tail(1).unwrap();
    assert_eq!(last[0].dropped, Some(2));
}

#[test]
fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::open(dir.path(), ROOMY).unwrap();
    assert!(matches!(Writer::open(dir.path(), ROOMY), Err(LogError::Busy(_))));
    drop(writer);
    assert!(Writer::open(dir.path(), ROOMY).is_ok());
}

#[test]
fn a_full_disk_costs_records_but_never_numbers() {
    if !sys_is_root() {
        println!("skipped: needs root");
        return;
    }
    let disk = SmallDisk::mount(256);
    let dir = disk.path().join("log");
    let mut writer = Writer::open(&dir, ROOMY).unwrap();
    let filler = "y".repeat(500);
    let mut failures = 0;
    for second in 0..2000 {
        writer.append(
            at(second),
            Stream::Stdout,
            format!("{second} {filler}").as_bytes(),
            false,
        );
        failures += u32::from(writer.commit().is_err());
    }
    assert!(failures > 1000);
    let dropped = writer.dropped();
    // Room again: somebody deleted a file.
    fs::remove_file(disk.path().join("ballast")).unwrap();
    for second in 2000..2010 {
        writer.append(at(second), Stream::Stdout, format!("{second} after").as_bytes(), false);
        writer.commit().unwrap();
    }
    drop(writer);
    let records = Reader::open(&dir).unwrap().records(1, 5000).unwrap();
    let marked: u64 = records.iter().filter_map(|record| record.dropped).sum();
    let kept = records.iter().filter(|record| record.dropped.is_none()).count() as u64;
    assert_eq!((marked, kept), (dropped, 2010 - dropped));
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq, seq);
        assert!(record.time.as_unix_nanos() >= 0 && !record.text.contains(&0));
    }
    assert_eq!(Writer::open(&dir, ROOMY).unwrap().next_seq(), records.len() as u64 + 1);
}

/// A small tmpfs of its own, half filled by a file `ballast`.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(kib: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(done.success());
        fs::write(dir.path().join("ballast"), vec![0; kib * 512]).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn sys_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Writes when asked to by the test below, as a process of its own.
#[test]
fn writes_in_another_process() {
    let Ok(dir) = std::env::var("LOG_STORE_WRITE_TO") else {
        return;
    };
    let options = Options {
        segment_bytes: 1 << 20,
        segments: 100,
    };
    let mut writer = Writer::open(dir, options).unwrap();
    for batch in 0..400 {
        write(&mut writer, 10 + batch % 90);
    }
}

#[test]
fn a_reader_follows_a_writer_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_in_another_process"])
        .env("LOG_STORE_WRITE_TO", dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut next = 1;
    loop {
        let ended = child.try_wait().unwrap();
        let records = reader.records(next, 1000).unwrap();
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            assert_eq!(first.seq, next);
            assert_sound(&records);
            next = last.seq + 1;
        } else if let Some(status) = ended {
            assert!(status.success());
            break;
        } else {
            std::thread::yield_now();
        }
    }
    let total: u64 = (0..400).map(|batch| 10 + batch % 90).sum();
    assert_eq!(next, total + 1);
}

/// `cargo test -p log-store --test log speed -- --ignored --nocapture`, best with
/// `--profile quick`.
#[test]
#[ignore = "measures; run by hand"]
fn speed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    let line = [b'x'; 100];
    let begun = std::time::Instant::now();
    for n in 0..10_000u64 {
        for _ in 0..100 {
            writer.append(at(n), Stream::Stdout, &line, false);
        }
        writer.commit().unwrap();
    }
    let took = begun.elapsed();
    println!("1,000,000 lines in {took:?}: {:.0} MB/s", 142.0 / took.as_secs_f64());
    for from in [1, 123_456, 500_000, 999_400] {
        let begun = std::time::Instant::now();
        let records = Reader::open(dir.path()).unwrap().records(from, 500).unwrap();
        println!("500 records from {from}: {:?}", begun.elapsed());
        assert_eq!(records.len(), 500);
    }
    let begun = std::time::Instant::now();
    Reader::open(dir.path()).unwrap().tail(10).unwrap();
    println!("tail of 10: {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    Reader::open(dir.path()).unwrap().seq_at_time(at(7777)).unwrap();
    println!("by time: {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    drop(writer);
    Writer::open(dir.path(), ROOMY).unwrap();
    println!("reopened: {:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Batches, rotation, packing, retention and reopening in any order keep the numbers.
    #[test]
    fn numbers_never_repeat_or_skip(
        steps in proptest::collection::vec((0u64..400, any::<bool>(), any::<bool>()), 1..12),
        segment_bytes in 100u64..40_000,
        segments in 1u32..6,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes, segments };
        let mut writer = Writer::open(dir.path(), options).unwrap();
        let mut total = 0;
        for (count, reopen, pack) in steps {
            write(&mut writer, count);
            total += count;
            if pack {
                log_store::pack_closed(dir.path()).unwrap();
            }
            if reopen {
                drop(writer);
                writer = Writer::open(dir.path(), options).unwrap();
            }
            prop_assert_eq!(writer.next_seq(), total + 1);
            let mut reader = Reader::open(dir.path()).unwrap();
            prop_assert_eq!(reader.next_seq(), total + 1);
            let records = reader.records(1, 10_000).unwrap();
            assert_sound(&records);
            prop_assert_eq!(records.last().map_or(1, |last| last.seq + 1), total + 1);
            prop_assert_eq!(records.len() as u64, total + 1 - reader.first_seq());
        }
    }
}
