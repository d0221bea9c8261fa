//! Standard streams: attached, of execs, of terminals, and kept as logs.

use crate::host::{Host, sh, text_of};
use engine::{AttachOptions, ExecSpec, HitRange, Kind, LogBatch, LogQuery, NewContainer, RemoveOptions};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ALL: AttachOptions = AttachOptions {
    stdin: true,
    stdout: true,
    stderr: true,
};

#[tokio::test(flavor = "multi_thread")]
async fn who_attaches_before_the_start_gets_every_byte() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo first")).await;
    let options = AttachOptions {
        stdin: false,
        stdout: true,
        stderr: true,
    };
    let attaching = host.engine.attach(&id, options).await.unwrap();
    host.engine.start(&id).await.unwrap();
    let mut attached = attaching.attached().await.unwrap();
    let mut bytes = Vec::new();
    attached.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"\x01\0\0\0\0\0\0\x06first\n");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_runs_beside_the_command_and_tells_its_code() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo up; while :; do sleep 0.1; done")).await;
    host.engine.start(&id).await.unwrap();
    let spec = ExecSpec {
        command: ["sh", "-c", "echo inside; exit 5"].map(str::to_owned).to_vec(),
        stdout: true,
        stderr: true,
        ..ExecSpec::default()
    };
    let exec = host.engine.exec_create(&id, spec).await.unwrap();
    let mut attached = host.engine.exec_start(&exec, false, None).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    attached.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"\x01\0\0\0\0\0\0\x07inside\n");
    let ended = host.engine.exec_wait(&exec).await.unwrap();
    assert!(matches!(ended.state, engine::ExecState::Exited { status, .. } if status.code() == 5));
    let again = host.engine.exec_start(&exec, false, None).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_lines_as_they_are_written_and_the_end_of_the_container() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(sh("for n in 1 2 3; do echo line $n; sleep 0.05; done"))
        .await;
    let mut follower = host.engine.logs(&id).unwrap().follow(1).unwrap();
    host.engine.start(&id).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let batch = tokio::time::timeout(Duration::from_secs(60), follower.next())
            .await
            .unwrap();
        let Some(LogBatch::Lines(lines)) = batch else {
            panic!("{batch:?}")
        };
        seen.extend(lines.iter().map(text_of));
    }
    assert_eq!(seen, ["line 1", "line 2", "line 3"]);
    host.until(&id, |container| !container.is_running()).await;
    host.engine.remove(&id, RemoveOptions::default()).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), follower.next())
        .await
        .unwrap();
    assert!(end.is_none());
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_goes_in_and_its_end_ends_the_input() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            stdin_open: true,
            stdin_once: true,
            ..sh("cat; echo over")
        })
        .await;
    let attaching = host.engine.attach(&id, ALL).await.unwrap();
    host.engine.start(&id).await.unwrap();
    let mut attached = attaching.attached().await.unwrap();
    attached.write_all(b"hello\n").await.unwrap();
    attached.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    attached.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("hello\n") && text.contains("over\n"), "{text:?}");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_the_size_it_is_given() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            terminal: true,
            stdin_open: true,
            ..sh("read line; stty size; tty")
        })
        .await;
    let attaching = host.engine.attach(&id, ALL).await.unwrap();
    assert!(attaching.is_terminal());
    host.engine.start(&id).await.unwrap();
    let mut attached = attaching.attached().await.unwrap();
    host.engine.resize(&id, 33, 111).await.unwrap();
    attached.write_all(b"\n").await.unwrap();
    let mut bytes = Vec::new();
    attached.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("33 111") && text.contains("/dev/pts/0"), "{text:?}");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_has_a_terminal_of_its_own() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    let spec = ExecSpec {
        command: ["sh", "-c", "stty size; tty; exit 4"].map(str::to_owned).to_vec(),
        terminal: true,
        stdin: true,
        stdout: true,
        ..ExecSpec::default()
    };
    let exec = host.engine.exec_create(&id, spec).await.unwrap();
    let mut attached = host
        .engine
        .exec_start(&exec, false, Some((20, 90)))
        .await
        .unwrap()
        .unwrap();
    let mut bytes = Vec::new();
    attached.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("20 90") && text.contains("/dev/pts/"), "{text:?}");
    let ended = host.engine.exec_wait(&exec).await.unwrap();
    assert!(matches!(ended.state, engine::ExecState::Exited { status, .. } if status.code() == 4));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_cannot_run_says_why() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    let spec = ExecSpec {
        command: vec!["/nonexistent".to_owned()],
        ..ExecSpec::default()
    };
    let exec = host.engine.exec_create(&id, spec).await.unwrap();
    let error = host.engine.exec_start(&exec, false, None).await.unwrap_err();
    assert!(
        matches!(error, engine::EngineError::ExecFailed { code: 127, .. }),
        "{error}"
    );
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_searched_from_its_end() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(sh("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"))
        .await;
    host.engine.start(&id).await.unwrap();
    host.until(&id, |container| !container.is_running()).await;
    let query = LogQuery {
        pattern: "line 19".to_owned(),
        regex: false,
        ignore_case: false,
        stream: None,
        hits: HitRange::Before(u64::MAX),
        limit: 5,
        count: true,
        patience: None,
    };
    let hits = host.engine.logs(&id).unwrap().search(query).await.unwrap();
    assert_eq!((hits.total, hits.rank), (Some(111), Some(106)));
    assert_eq!(hits.seqs, [1996, 1997, 1998, 1999, 2000]);
    host.close().await;
}
