//! What becomes of the log when the disk is full or slow, and when segments close.

use super::host::{Host, ready, unframe, wish};
use super::numbers;
use shim_protocol::{Command as Ask, ExitStatus, LogMode};
use std::fs;
use std::path::Path;

fn with_ending(dir: &Path, ending: &str) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    entries
        .filter(|name| name.to_str().is_some_and(|name| name.ends_with(ending)))
        .count()
}

#[test]
fn a_full_disk_costs_log_records_and_stops_nobody() {
    if !ready() {
        return;
    }
    let mut wanted = wish("yes | head -c 4000000; echo last; while [ ! -e /go ]; do sleep 0.02; done");
    wanted.log_disk_kib = Some(256);
    let mut host = Host::create(&wanted);
    let mut reader = host.attach(false);
    host.control().ask(Ask::Start).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"last\n") {
        seen.extend(reader.some());
    }
    assert_eq!(unframe(&seen).0.len(), 4_000_005);
    assert!(host.control().state().dropped_records > 0);
    fs::write(host.dir.path().join("bundle/rootfs/go"), "").unwrap();
    assert_eq!(host.control().exited().status, ExitStatus::Code(0));
}

#[test]
fn non_blocking_logs_keep_what_they_can() {
    if !ready() {
        return;
    }
    let mut wanted = wish("seq 1 1000");
    wanted.mode = LogMode::NonBlocking { buffer_bytes: 1 << 20 };
    let host = Host::start(&wanted);
    host.until("the record", || host.record().is_some());
    let wanted = numbers(1000);
    assert!(host.log_text() == wanted);
}

#[test]
fn a_full_disk_is_told_by_markers_in_both_modes() {
    if !ready() {
        return;
    }
    for mode in [LogMode::Blocking, LogMode::NonBlocking { buffer_bytes: 1 << 20 }] {
        let mut wanted = wish(&format!(
            "yes {} | head -c 4000000; : > /done; while [ ! -e /go ]; do sleep 0.02; done; echo last",
            "x".repeat(999)
        ));
        wanted.log_disk_kib = Some(512);
        wanted.segment_bytes = 64 << 10;
        wanted.mode = mode;
        let mut host = Host::create(&wanted);
        let ballast = host.log_dir().join("ballast");
        fs::write(&ballast, vec![0; 300 << 10]).unwrap();
        host.control().ask(Ask::Start).unwrap();
        let rootfs = host.dir.path().join("bundle/rootfs");
        host.until("everything to be written", || rootfs.join("done").exists());
        host.until("records to be dropped", || host.shim_log().contains("being dropped"));
        // Somebody makes room, more than what a pipe still holds can fill.
        fs::remove_file(&ballast).unwrap();
        fs::write(rootfs.join("go"), "").unwrap();
        assert_eq!(host.control().exited().status, ExitStatus::Code(0), "{mode:?}");
        let mut reader = log_store::Reader::open(host.log_dir()).unwrap();
        let records = reader.records(1, 10_000).unwrap();
        let kept = records.iter().filter(|record| record.dropped.is_none()).count() as u64;
        let marked: u64 = records.iter().filter_map(|record| record.dropped).sum();
        assert_eq!(kept + marked, 4001, "{mode:?}");
        assert!(marked > 0, "{mode:?}");
        assert_eq!(records.last().unwrap().text, b"last", "{mode:?}");
        for (record, seq) in records.iter().zip(1..) {
            assert_eq!(record.seq, seq, "{mode:?}");
        }
    }
}

#[test]
fn closed_segments_are_packed_while_the_container_writes_on() {
    if !ready() {
        return;
    }
    for mode in [LogMode::Blocking, LogMode::NonBlocking { buffer_bytes: 8 << 20 }] {
        let mut wanted = wish("seq 1 60000; while [ ! -e /go ]; do sleep 0.02; done; seq 60001 100000");
        wanted.segment_bytes = 128 << 10;
        wanted.compress = true;
        wanted.mode = mode;
        let mut host = Host::start(&wanted);
        host.until("all closed segments to be packed", || {
            with_ending(&host.log_dir(), ".zst") > 5 && with_ending(&host.log_dir(), ".log") == 1
        });
        assert!(host.log_text() == numbers(60_000), "{mode:?}");
        fs::write(host.dir.path().join("bundle/rootfs/go"), "").unwrap();
        assert_eq!(host.control().exited().status, ExitStatus::Code(0));
        assert!(host.log_text() == numbers(100_000), "{mode:?}");
    }
}
