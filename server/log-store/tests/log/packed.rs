//! Closed segments are packed behind the writer's and the readers' backs.

use super::{ROOMY, SmallDisk, assert_sound, at, files, sys_is_root, text, write};
use log_store::{Options, Reader, Stream, Writer, pack_closed};
use std::fs;
use std::io::Read as _;
use std::path::Path;

const SMALL: Options = Options {
    segment_bytes: 40 << 10,
    segments: 1000,
};

fn packed(dir: &Path) -> usize {
    files(dir, "zst").len()
}

/// What this thread has read so far, from disk or from memory. proc(5)
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn packed_segments_are_read_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SMALL).unwrap();
    write(&mut writer, 5000);
    let plain = files(dir.path(), "log");
    let bytes: u64 = plain.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(plain.len() > 5 && writer.take_closed());
    pack_closed(dir.path()).unwrap();
    assert_eq!(
        (files(dir.path(), "log").len(), packed(dir.path())),
        (1, plain.len() - 1)
    );
    let now: u64 = files(dir.path(), "zst")
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert!(now < bytes / 4, "{bytes} bytes became {now}");
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!((reader.first_seq(), reader.next_seq()), (1, 5001));
    for from in [1, 2, 700, 2500, 4999, 5000] {
        let records = reader.records(from, 300).unwrap();
        assert_eq!(records[0].seq, from);
        assert_sound(&records);
    }
    assert_sound(&reader.tail(4000).unwrap());
    for seq in [1, 256, 257, 2500, 4999] {
        assert_eq!(reader.seq_at_time(at(seq)).unwrap(), seq);
    }
    // Without its index a segment is counted.
    for index in files(dir.path(), "index") {
        fs::remove_file(index).unwrap();
    }
    assert_sound(&Reader::open(dir.path()).unwrap().records(1234, 2000).unwrap());
    write(&mut writer, 1);
    drop(writer);
    assert_eq!(Writer::open(dir.path(), SMALL).unwrap().next_seq(), 5002);
}

#[test]
fn any_zstd_program_unpacks_a_packed_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(
        dir.path(),
        Options {
            segment_bytes: 1 << 20,
            ..SMALL
        },
    )
    .unwrap();
    write(&mut writer, 30_000);
    let plain = files(dir.path(), "log").remove(0);
    let before = fs::read(&plain).unwrap();
    assert!(before.len() > 900_000, "more than one frame");
    pack_closed(dir.path()).unwrap();
    let mut after = Vec::new();
    let file = fs::File::open(plain.with_extension("log.zst")).unwrap();
    zstd::stream::read::Decoder::new(file)
        .unwrap()
        .read_to_end(&mut after)
        .unwrap();
    assert!(before == after);
}

#[test]
fn a_follower_loses_no_line_to_rotation_and_packing() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SMALL).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut seen = 0;
    for step in 0..60 {
        write(&mut writer, 150);
        if step % 3 == 0 {
            pack_closed(dir.path()).unwrap();
        }
        // Never quite at the end, so that it is in a closed segment as a rule.
        let records = reader.records(seen + 1, 140).unwrap();
        assert_eq!(records[0].seq, seen + 1);
        assert_sound(&records);
        seen = records.last().unwrap().seq;
    }
    while seen < 9000 {
        let records = reader.records(seen + 1, 500).unwrap();
        assert_eq!(records[0].seq, seen + 1);
        assert_sound(&records);
        seen = records.last().unwrap().seq;
    }
}

#[test]
fn packing_that_was_cut_off_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SMALL).unwrap();
    write(&mut writer, 3000);
    let first = files(dir.path(), "log").remove(0);
    let bytes = fs::read(&first).unwrap();
    pack_closed(dir.path()).unwrap();
    // As killed before the plain form was removed, and in the middle of the next.
    fs::write(&first, &bytes).unwrap();
    fs::write(dir.path().join(format!(".{:020}.zst.new", 1)), "half").unwrap();
    assert_sound(&Reader::open(dir.path()).unwrap().records(1, 5000).unwrap());
    pack_closed(dir.path()).unwrap();
    assert_eq!(files(dir.path(), "log").len(), 1);
    assert_eq!(files(dir.path(), "new").len(), 0);
    let records = Reader::open(dir.path()).unwrap().records(1, 5000).unwrap();
    assert_eq!(records.len(), 3000);
    assert_sound(&records);
}

#[test]
fn two_that_pack_at_once_leave_each_segment_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SMALL).unwrap();
    write(&mut writer, 20_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| pack_closed(dir.path()).unwrap());
        }
    });
    assert_eq!(files(dir.path(), "log").len(), 1);
    let mut reader = Reader::open(dir.path()).unwrap();
    let records = reader.records(1, 20_000).unwrap();
    assert_sound(&records);
    assert_eq!(records.len(), 20_000);
}

#[test]
fn packed_segments_are_rotated_away_too() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segments: 3, ..SMALL };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    for _ in 0..30 {
        write(&mut writer, 300);
        pack_closed(dir.path()).unwrap();
    }
    assert_eq!((files(dir.path(), "log").len(), packed(dir.path())), (1, 2));
    let mut reader = Reader::open(dir.path()).unwrap();
    assert!(reader.first_seq() > 7000);
    assert_sound(&reader.records(1, 10_000).unwrap());
}

#[test]
fn a_full_disk_leaves_a_segment_as_it_was() {
    if !sys_is_root() {
        println!("skipped: needs root");
        return;
    }
    let disk = SmallDisk::mount(512);
    let dir = disk.path().join("log");
    let mut writer = Writer::open(&dir, SMALL).unwrap();
    // Noise does not become smaller, so that the packed form finds no room.
    let mut state = 7u64;
    loop {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let text: String = (0..400u32)
            .map(|n| char::from(b'!' + ((state >> (n % 57)) % 90) as u8))
            .collect();
        writer.append(at(1), Stream::Stdout, text.as_bytes(), false);
        if writer.commit().is_err() {
            break;
        }
    }
    let count = Reader::open(&dir).unwrap().next_seq();
    assert!(pack_closed(&dir).is_err());
    assert_eq!(files(&dir, "new").len(), 0);
    let mut reader = Reader::open(&dir).unwrap();
    assert_eq!(reader.records(1, 10_000).unwrap().len() as u64, count - 1);
}

#[test]
fn a_packed_segment_that_is_damaged_is_told_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SMALL).unwrap();
    write(&mut writer, 3000);
    pack_closed(dir.path()).unwrap();
    let second = &files(dir.path(), "zst")[1];
    let first_of_second: u64 = second.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap();
    let mut bytes = fs::read(second).unwrap();
    bytes[20] ^= 0xff;
    fs::write(second, &bytes).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_sound(&reader.records(1, 100).unwrap());
    let error = reader.records(first_of_second, 1).unwrap_err();
    assert!(
        error.to_string().contains(".log.zst") || error.to_string().contains(".log"),
        "{error}"
    );
    assert_sound(&reader.tail(500).unwrap());
    fs::write(second, &bytes[..bytes.len() - 4]).unwrap();
    assert!(Reader::open(dir.path()).unwrap().records(first_of_second, 1).is_err());
}

/// Of a log of a gibibyte, plain and packed, the last ten lines are read in a few
/// milliseconds: whatever the machine does meanwhile, little may be read for it.
#[test]
fn the_last_lines_of_a_gibibyte_cost_next_to_nothing() {
    const SEGMENTS: u64 = 32;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 32 << 20,
        segments: 64,
    };
    let mut writer = Writer::open(dir.path(), options).unwrap();
    let line = [b'x'; 9000];
    while !writer.take_closed() {
        writer.append(at(writer.next_seq()), Stream::Stdout, &line, false);
        writer.commit().unwrap();
    }
    drop(writer);
    let [whole, rest] = &files(dir.path(), "log")[..] else {
        panic!("two segments")
    };
    let count = rest.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() - 1;
    for ending in ["log", "index"] {
        fs::remove_file(rest.with_extension(ending)).unwrap();
    }
    // The same file under further names: a gibibyte to read, not to write.
    for number in 1..SEGMENTS {
        let first = 1 + number * count;
        for ending in ["log", "index"] {
            let name = dir.path().join(format!("{first:020}.{ending}"));
            fs::hard_link(whole.with_extension(ending), name).unwrap();
        }
    }
    let size: u64 = files(dir.path(), "log")
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert!(size > 1_000_000_000, "{size}");
    let last = SEGMENTS * count;
    for ((from, wanted), most) in [((None, last - 9), 4 << 20), ((Some(last / 2), last / 2), 8 << 20)] {
        let before = bytes_read();
        let begun = std::time::Instant::now();
        let mut reader = Reader::open(dir.path()).unwrap();
        let records = match from {
            None => reader.tail(10).unwrap(),
            Some(from) => reader.records(from, 10).unwrap(),
        };
        println!("10 of {size} bytes in {:?}", begun.elapsed());
        let read = bytes_read() - before;
        assert_eq!((records.len(), records[0].seq), (10, wanted));
        assert!(read < most, "{read} bytes were read");
    }
}

#[test]
fn nothing_is_packed_that_is_still_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), ROOMY).unwrap();
    write(&mut writer, 100);
    pack_closed(dir.path()).unwrap();
    pack_closed(&dir.path().join("no such log")).unwrap();
    assert_eq!(files(dir.path(), "log").len(), 1);
    assert_eq!(
        Reader::open(dir.path()).unwrap().records(7, 1).unwrap()[0].text,
        text(7).as_bytes()
    );
}
