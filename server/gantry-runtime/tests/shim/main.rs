//! The shim on a real kernel, driven as the server drives it.

mod defaults;
mod host;
mod logs;

use host::{Host, LIMIT, ready, unframe, wish};
use shim_protocol::{Attach, Command as Ask, Exec, ExitStatus, Hello, InitState, Target};
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

/// What `seq 1 LAST` writes.
fn numbers(last: u32) -> String {
    let mut text = String::new();
    for number in 1..=last {
        let _ = writeln!(text, "{number}");
    }
    text
}

#[test]
fn a_command_runs_and_its_end_is_on_record() {
    if !ready() {
        return;
    }
    let mut host = Host::create(&wish("echo out; echo err >&2; exit 3"));
    assert_eq!(host.control().state().init, InitState::Created);
    assert_eq!(host.shim_record().init(), host.init);
    assert_eq!(host.record(), None);
    host.control().ask(Ask::Start).unwrap();
    let record = host.finish();
    assert_eq!(
        (record.run, record.status, record.oom_killed),
        (1, ExitStatus::Code(3), false)
    );
    assert!(record.started_at_ns.unwrap() <= record.at_ns);
}

#[test]
fn both_streams_are_in_the_log_with_their_names() {
    if !ready() {
        return;
    }
    let host = Host::start(&wish("echo out; echo err >&2; printf unfinished"));
    host.until("the record", || host.record().is_some());
    let mut records = log_store::Reader::open(host.log_dir()).unwrap().records(1, 10).unwrap();
    records.sort_by_key(|record| record.text.clone());
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record.stream.word(),
                String::from_utf8_lossy(&record.text),
                record.partial,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("stderr", "err".into(), false),
            ("stdout", "out".into(), false),
            ("stdout", "unfinished".into(), true)
        ]
    );
}

#[test]
fn a_signal_ends_it_and_is_told() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let kill = Ask::Signal {
        target: Target::Init,
        signal: 9,
    };
    host.control().ask(kill.clone()).unwrap();
    assert_eq!(host.control().exited().status, ExitStatus::Signal(9));
    assert!(host.control().ask(kill).is_err());
    host.finish();
}

#[test]
fn pid_1_that_handles_signals_gets_them() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish(
        "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done",
    ));
    host.wait_for_log("up");
    let term = Ask::Signal {
        target: Target::Init,
        signal: 15,
    };
    host.control().ask(term).unwrap();
    assert_eq!(host.control().exited().status, ExitStatus::Code(7));
    assert_eq!(host.log_text(), "up\nbye\n");
}

#[test]
fn a_program_that_is_not_there_is_127_and_on_record() {
    if !ready() {
        return;
    }
    let mut wish = wish("");
    wish.args = vec!["/bin/nonexistent".into()];
    let mut host = Host::create(&wish);
    let problem = host.control().ask(Ask::Start).unwrap_err();
    assert_eq!(problem.code, Some(127));
    let record = host.finish();
    assert_eq!((record.status, record.started_at_ns), (ExitStatus::Code(127), None));
    assert!(record.failure.is_some());
}

#[test]
fn ten_thousand_lines_arrive_in_order() {
    if !ready() {
        return;
    }
    let host = Host::start(&wish("seq 1 10000"));
    host.until("the record", || host.record().is_some());
    let wanted = numbers(10_000);
    assert!(host.log_text() == wanted);
}

#[test]
fn binary_output_and_long_lines_are_kept_byte_for_byte() {
    if !ready() {
        return;
    }
    let host = Host::start(&wish(
        "head -c 300000 /dev/zero; echo; yes 0123456789 | head -c 2000000",
    ));
    host.until("the record", || host.record().is_some());
    let text = host.log_text();
    assert_eq!(text.len(), 2_300_001);
    assert!(text.starts_with(&"\0".repeat(300_000)));
    assert!(text.ends_with(&"0123456789\n".repeat(181_818)[..100]) || text.contains("0123456789\n0123456789\n"));
}

#[test]
fn who_attaches_before_the_start_gets_every_byte() {
    if !ready() {
        return;
    }
    let mut host = Host::create(&wish("echo one; echo two >&2; echo three"));
    let mut readers = [host.attach(false), host.attach(false), host.attach(false)];
    host.control().ask(Ask::Start).unwrap();
    for reader in &mut readers {
        assert_eq!(reader.frames(), (b"one\nthree\n".to_vec(), b"two\n".to_vec()));
    }
    // The event was sent before the connections were closed.
    host.finish();
}

#[test]
fn input_reaches_the_command_and_its_end_too() {
    if !ready() {
        return;
    }
    let mut wanted = wish("cat; echo done");
    wanted.stdin_open = true;
    wanted.stdin_once = true;
    let mut host = Host::create(&wanted);
    let mut client = host.attach(true);
    host.control().ask(Ask::Start).unwrap();
    let text = "line of input\n".repeat(20_000);
    let mut writer = host::Raw(client.0.try_clone().unwrap());
    let sent = text.clone();
    let sending = std::thread::spawn(move || {
        writer.send(sent.as_bytes());
        writer.end_input();
    });
    let (stdout, _) = client.frames();
    sending.join().unwrap();
    assert!(stdout == format!("{text}done\n").as_bytes());
    host.finish();
}

#[test]
fn without_stdin_once_input_outlives_its_client() {
    if !ready() {
        return;
    }
    let mut wanted = wish("while read line; do echo got $line; done; echo ended");
    wanted.stdin_open = true;
    let mut host = Host::start(&wanted);
    for word in ["first", "second"] {
        let mut client = host.attach(true);
        client.send(format!("{word}\n").as_bytes());
        drop(client);
        host.wait_for_log(&format!("got {word}"));
    }
    host.control().ask(Ask::CloseStdin { target: Target::Init }).unwrap();
    host.finish();
}

#[test]
fn without_stdin_the_command_reads_nothing() {
    if !ready() {
        return;
    }
    let host = Host::start(&wish("cat; echo ended"));
    host.wait_for_log("ended");
    host.finish();
}

#[test]
fn a_terminal_echoes_has_a_size_and_is_resized() {
    if !ready() {
        return;
    }
    let mut wanted = wish("stty size; tty; read line; echo got $line; read line; stty size; exit 4");
    wanted.terminal = true;
    wanted.stdin_open = true;
    let mut host = Host::create(&wanted);
    let mut client = host.attach(true);
    host.control().ask(Ask::Start).unwrap();
    let text = client.until("/dev/");
    assert!(text.starts_with("30 100\r\n"), "{text:?}");
    client.send(b"hello\r");
    assert!(client.until("got hello\r\n").contains("hello\r\n"));
    let resize = Ask::Resize {
        target: Target::Init,
        rows: 40,
        cols: 132,
    };
    host.control().ask(resize).unwrap();
    client.send(b"\r");
    let rest = String::from_utf8(client.read_on()).unwrap();
    assert!(rest.ends_with("40 132\r\n"), "{rest:?}");
    assert!(host.log_text().contains("got hello\r\n"));
    assert_eq!(host.finish().status, ExitStatus::Code(4));
}

#[test]
fn execs_have_their_own_streams_and_exit_codes() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let mut first = host
        .exec(
            "first",
            &["/bin/sh", "-c", "echo out; echo err >&2; exit 5"],
            false,
            false,
        )
        .unwrap();
    let mut second = host.exec("second", &["/bin/cat"], true, false).unwrap();
    assert_eq!(first.frames(), (b"out\n".to_vec(), b"err\n".to_vec()));
    assert_eq!(host.control().exec_exited("first"), ExitStatus::Code(5));
    assert_eq!(host.control().state().execs.len(), 2);
    second.send(b"through");
    second.end_input();
    assert_eq!(second.frames().0, b"through");
    assert_eq!(host.control().exec_exited("second"), ExitStatus::Code(0));
    // Nothing of it is in the log.
    assert_eq!(host.log_text(), "up\n");
    assert!(
        host.exec("first", &["/bin/true"], false, false).is_err(),
        "an id is used once"
    );
}

#[test]
fn an_exec_is_told_of_with_what_the_server_wants_to_know_of_it() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("sleep 1000"));
    let mut lives = host
        .exec("lives", &["sh", "-c", "echo here; sleep 1000"], false, false)
        .unwrap();
    lives.until("here");
    drop(host.exec("ended", &["true"], false, false).unwrap());
    host.control().exec_exited("ended");
    // As a server does that was killed.
    host.reconnect();
    let mut execs = host.control().state().execs;
    execs.sort_by(|a, b| a.exec_id.cmp(&b.exec_id));
    let told: Vec<_> = execs
        .iter()
        .map(|exec| (exec.exec_id.as_str(), exec.exit, &exec.kept))
        .collect();
    let kept = |id: &str| Some(serde_json::json!({ "reminder": id }));
    assert_eq!(
        told,
        [
            ("ended", Some(ExitStatus::Code(0)), &kept("ended")),
            ("lives", None, &kept("lives"))
        ]
    );
}

#[test]
fn an_exec_with_a_terminal_is_a_console_of_its_own() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let mut console = host.exec("console", &["/bin/sh"], true, true).unwrap();
    console.send(b"stty size\r");
    console.until("11 22\r\n");
    let resize = Ask::Resize {
        target: Target::Exec("console".into()),
        rows: 33,
        cols: 44,
    };
    host.control().ask(resize).unwrap();
    console.send(b"stty size\r");
    console.until("33 44\r\n");
    console.send(b"exit 9\r");
    console.read_on();
    assert_eq!(host.control().exec_exited("console"), ExitStatus::Code(9));
}

#[test]
fn an_exec_that_cannot_begin_says_so() {
    if !ready() {
        return;
    }
    let mut host = Host::create(&wish("echo up; exec sleep 600"));
    assert!(host.exec("early", &["/bin/true"], false, false).is_err());
    host.control().ask(Ask::Start).unwrap();
    host.wait_for_log("up");
    let Err(problem) = host.exec("missing", &["/bin/nonexistent"], false, false) else {
        panic!("it began");
    };
    assert_eq!(problem.code, Some(127));
}

#[test]
fn a_detached_exec_runs_alone() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let exec = Exec {
        exec_id: "alone".into(),
        process: serde_json::json!({"user": {"uid": 0, "gid": 0}, "args": ["/bin/sh", "-c", "echo lost; exit 6"], "cwd": "/", "env": ["PATH=/bin"]}),
        stdin: false,
        stdout: false,
        stderr: false,
        detach: true,
        size: None,
        kept: None,
    };
    let mut raw = host.raw(&Hello::Exec(Box::new(exec))).unwrap();
    assert_eq!(raw.read_on(), b"");
    assert_eq!(host.control().exec_exited("alone"), ExitStatus::Code(6));
}

#[test]
fn a_slow_client_of_an_exec_loses_nothing() {
    if !ready() {
        return;
    }
    let host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let mut client = host
        .exec("big", &["/bin/sh", "-c", "yes | head -c 8000000"], false, false)
        .unwrap();
    // Long enough for the exec to have filled every buffer on the way.
    let mut bytes = client.some();
    bytes.extend(client.read_on());
    assert_eq!(unframe(&bytes).0.len(), 8_000_000);
}

#[test]
fn a_reader_that_sleeps_delays_nobody_and_still_gets_everything() {
    if !ready() {
        return;
    }
    // Longer than the last readers are waited for: that begins with the end.
    let mut host = Host::create(&wish("seq 1 900000; sleep 11; echo last"));
    let mut slow = host.attach(false);
    let mut quick = host.attach(false);
    host.control().ask(Ask::Start).unwrap();
    let wanted = numbers(900_000)
        + "last
";
    // The slow one reads nothing until the command has ended and the other has all.
    assert!(quick.frames().0 == wanted.as_bytes());
    assert_eq!(host.control().exited().status, ExitStatus::Code(0));
    assert!(slow.frames().0 == wanted.as_bytes());
    assert!(host.log_text() == wanted);
    host.finish();
}

#[test]
fn a_container_outlives_its_server_and_meets_the_next() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish(
        "echo up; read line < /dev/null; while [ ! -e /go ]; do sleep 0.02; done; echo after; exit 8",
    ));
    host.wait_for_log("up");
    host.control = None;
    host.reconnect();
    let state = host.control().state();
    assert!(matches!(state.init, InitState::Running { .. }), "{state:?}");
    assert_eq!(state.process, host.init);
    fs::write(host.dir.path().join("bundle/rootfs/go"), "").unwrap();
    assert_eq!(host.control().exited().status, ExitStatus::Code(8));
    assert_eq!(host.log_text(), "up\nafter\n");
    host.finish();
}

#[test]
fn what_ends_without_a_server_is_on_record_and_the_shim_goes() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish(
        "echo up; while [ ! -e /go ]; do sleep 0.02; done; echo after; exit 8",
    ));
    host.wait_for_log("up");
    host.control = None;
    fs::write(host.dir.path().join("bundle/rootfs/go"), "").unwrap();
    host.wait_for_shim();
    assert_eq!(host.record().unwrap().status, ExitStatus::Code(8));
    assert_eq!(host.log_text(), "up\nafter\n");
    assert!(fs::read_dir(host.dir.path().join("run")).unwrap().next().is_none());
}

#[test]
fn a_pipe_held_open_by_an_orphan_delays_the_end_only_a_little() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("sleep 600 & echo up"));
    let begun = Instant::now();
    assert_eq!(host.control().exited().status, ExitStatus::Code(0));
    assert!(begun.elapsed() < LIMIT / 2);
    host.finish();
}

#[test]
fn release_is_refused_while_the_container_lives() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    assert!(host.control().ask(Ask::Release).is_err());
    assert!(host.control().ask(Ask::Unknown).is_err());
}

#[test]
fn strangers_words_close_only_their_own_connection() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let dir = fs::File::open(host.dir.path().join("run")).unwrap();
    for nonsense in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{}", b"GET / HTTP/1.1\r\n\r\n"] {
        use std::io::{Read as _, Write as _};
        let mut stream = sys::unix_socket::connect_below(&dir, shim_protocol::SOCKET).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(nonsense).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    }
    let nobody = Attach {
        target: Target::Exec("nobody".into()),
        stdin: false,
        stdout: true,
        stderr: true,
    };
    assert!(host.raw(&Hello::Attach(nobody)).is_err());
    assert!(matches!(host.control().state().init, InitState::Running { .. }));
}

#[test]
fn a_bundle_that_cannot_be_made_is_told_and_leaves_nothing() {
    if !ready() {
        return;
    }
    let mut wanted = wish("echo never");
    wanted.edit = |config| config["root"]["path"] = "missing".into();
    let Err(problem) = Host::try_create(&wanted) else {
        panic!("it was made");
    };
    assert!(!problem.message.is_empty());
}
