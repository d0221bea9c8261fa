//! What shims and servers of the first release say is understood for good: their
//! messages are kept here as they were, and a newer program reads them, as it
//! must when it meets a shim that is older than itself.
//!
//! A message that changes its meaning gets a new version; then this file stays, a
//! second one is added for the new version, and both are read until
//! `OLDEST_VERSION` says otherwise.

use shim_protocol::*;
use std::path::Path;

fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
    let mut frame = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(json.as_bytes());
    frame::read(&mut &frame[..]).unwrap().unwrap()
}

const IDENTITY: Identity = Identity {
    pid: 4711,
    start_ticks: 123_456,
};

#[test]
fn launches() {
    let launch: Launch = read(
        r#"{"v":1,"id":"c1","run":3,"bundle_dir":"/data/containers/c1","run_dir":"/run/containers/c1","log":{"dir":"/data/containers/c1/log","mode":"blocking","segment_bytes":33554432,"segments":16},"rootfs":{"lower":["/data/snapshots/l/2","/data/snapshots/l/1"],"upper":"/u","work":"/w","options":["metacopy=off"]},"network_namespace":true,"terminal":false,"stdin_open":true,"stdin_once":true,"size":{"rows":24,"cols":80},"cgroup_path":"/gantry/c1","shim_cgroup":"/gantry/shims"}"#,
    );
    assert_eq!((launch.id.as_str(), launch.run), ("c1", 3));
    assert_eq!((launch.log.mode, launch.log.compress), (LogMode::Blocking, false));
    let Some(Root::Overlay(overlay)) = launch.rootfs else {
        panic!("an overlay");
    };
    assert_eq!(overlay.lower[0], Path::new("/data/snapshots/l/2"));
    assert!(launch.network_namespace && launch.stdin_open && launch.stdin_once && !launch.terminal);
    assert_eq!(launch.shim_cgroup.as_deref(), Some("/gantry/shims"));
    let least: Launch = read(
        r#"{"v":1,"id":"c2","run":1,"bundle_dir":"/b","run_dir":"/r","log":{"dir":"/l","mode":{"non_blocking":{"buffer_bytes":4096}},"segment_bytes":4096,"segments":1},"cgroup_path":"/gantry/c2"}"#,
    );
    assert_eq!(least.log.mode, LogMode::NonBlocking { buffer_bytes: 4096 });
}

#[test]
fn greetings() {
    let hello: Hello = read(r#"{"v":1,"hello":"control"}"#);
    assert_eq!(hello, Hello::Control);
    let hello: Hello = read(r#"{"v":1,"hello":"attach","target":"init","stdin":true,"stdout":true,"stderr":false}"#);
    let Hello::Attach(attach) = hello else {
        panic!("{hello:?}")
    };
    assert_eq!(
        (attach.target, attach.stdin, attach.stderr),
        (Target::Init, true, false)
    );
    let hello: Hello = read(
        r#"{"v":1,"hello":"exec","exec_id":"e1","process":{"args":["sh"],"cwd":"/","terminal":true},"stdin":true,"stdout":true,"stderr":true,"detach":false,"size":{"rows":5,"cols":9}}"#,
    );
    let Hello::Exec(exec) = hello else { panic!("{hello:?}") };
    assert_eq!((exec.exec_id.as_str(), exec.stdin, exec.kept), ("e1", true, None));
    assert_eq!(exec.process["args"][0], "sh");
}

#[test]
fn requests() {
    let exec = || Target::Exec("e1".into());
    for (json, seq, command) in [
        (r#"{"v":1,"seq":1,"do":"start"}"#, 1, Command::Start),
        (
            r#"{"v":1,"seq":2,"do":"signal","target":{"exec":"e1"},"signal":15}"#,
            2,
            Command::Signal {
                target: exec(),
                signal: 15,
            },
        ),
        (
            r#"{"v":1,"seq":3,"do":"resize","target":"init","rows":1,"cols":2}"#,
            3,
            Command::Resize {
                target: Target::Init,
                rows: 1,
                cols: 2,
            },
        ),
        (
            r#"{"v":1,"seq":4,"do":"close_stdin","target":{"exec":"e1"}}"#,
            4,
            Command::CloseStdin { target: exec() },
        ),
        (r#"{"v":1,"seq":5,"do":"state"}"#, 5, Command::State),
        (r#"{"v":1,"seq":6,"do":"release"}"#, 6, Command::Release),
    ] {
        let request: Request = read(json);
        assert_eq!(request, Request { seq, command });
    }
}

#[test]
fn answers_and_events() {
    let message: FromShim = read(r#"{"v":1,"is":"created","pid":4711,"start_ticks":123456}"#);
    assert_eq!(message, FromShim::Created(IDENTITY));
    let message: FromShim = read(r#"{"v":1,"is":"failed","step":"mount","message":"cannot","code":128}"#);
    assert!(matches!(message, FromShim::Failed(problem) if problem.code == Some(128)));
    let message: FromShim = read(r#"{"v":1,"is":"reply","seq":7,"error":{"step":"","message":"no","code":null}}"#);
    assert!(matches!(message, FromShim::Reply(reply) if reply.seq == 7 && reply.error.is_some()));
    let message: FromShim = read(r#"{"v":1,"is":"reply","seq":0,"process":{"pid":4711,"start_ticks":123456}}"#);
    assert!(matches!(message, FromShim::Reply(reply) if reply.process == Some(IDENTITY)));
    let message: FromShim = read(r#"{"v":1,"is":"event","event":"oom"}"#);
    assert_eq!(message, FromShim::Event(Event::Oom));
    let message: FromShim = read(r#"{"v":1,"is":"event","event":"exec_exited","exec_id":"e1","signal":9,"at_ns":5}"#);
    let ended = Event::ExecExited {
        exec_id: "e1".into(),
        status: ExitStatus::Signal(9),
        at_ns: 5,
    };
    assert_eq!(message, FromShim::Event(ended));
    let message: FromShim =
        read(r#"{"v":1,"is":"event","event":"exited","run":3,"code":7,"started_at_ns":1,"at_ns":2,"oom_killed":true}"#);
    let FromShim::Event(Event::Exited(record)) = message else {
        panic!("{message:?}")
    };
    assert_eq!(
        (record.run, record.status, record.oom_killed),
        (3, ExitStatus::Code(7), true)
    );
}

#[test]
fn states() {
    let state = |init: &str| -> State {
        let text = format!(
            r#"{{"v":1,"is":"reply","seq":1,"state":{{"id":"c1","run":3,"process":{{"pid":4711,"start_ticks":123456}},"init":{init},"execs":[{{"exec_id":"e1","process":{{"pid":9,"start_ticks":8}},"exit":{{"code":3}},"exited_at_ns":4}},{{"exec_id":"e2","process":{{"pid":10,"start_ticks":8}},"exit":null,"exited_at_ns":null}}],"dropped_records":2,"oom_kills":1}}}}"#
        );
        match read(&text) {
            FromShim::Reply(reply) => *reply.state.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let running = state(r#"{"running":{"started_at_ns":5}}"#);
    assert_eq!(running.init, InitState::Running { started_at_ns: 5 });
    assert_eq!((running.process, running.oom_kills), (IDENTITY, 1));
    assert_eq!(running.execs[0].exit, Some(ExitStatus::Code(3)));
    assert_eq!((running.execs[1].exit, &running.execs[1].kept), (None, &None));
    assert_eq!(state(r#""created""#).init, InitState::Created);
    assert_eq!(state(r#""ending""#).init, InitState::Ending);
    let exited = state(
        r#"{"exited":{"run":3,"signal":15,"started_at_ns":null,"at_ns":2,"oom_killed":false,"failure":"no such file"}}"#,
    );
    assert!(matches!(exited.init, InitState::Exited(record) if record.status == ExitStatus::Signal(15)));
}

#[test]
fn records() {
    let json =
        br#"{"protocol":1,"run":3,"pid":5,"start_ticks":6,"init_pid":4711,"init_start_ticks":123456,"boot_id":"b"}"#;
    let record = ShimRecord::from_json(json).unwrap();
    assert_eq!((record.init(), record.run), (IDENTITY, 3));
    let json = br#"{"run":2,"code":3,"started_at_ns":10,"at_ns":20,"oom_killed":false}"#;
    assert_eq!(ExitRecord::from_json(json).unwrap().status, ExitStatus::Code(3));
    let json = br#"{"run":2,"code":127,"at_ns":20,"failure":"no such file"}"#;
    assert!(ExitRecord::from_json(json).unwrap().failure.is_some());
}
