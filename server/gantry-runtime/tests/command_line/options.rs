//! Options that other runtimes have, and what is printed with them.

use super::{Bundle, failure};
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"));
    command.args(arguments).output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(bundle: &Bundle, global: &[&str]) -> Output {
    let mut command = bundle.command(global);
    command.args(["run", "-b"]).arg(bundle.path()).arg(&bundle.id);
    command.output().unwrap()
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_and_nothing_runs() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let output = run(&bundle, &["--log", "/dev/null/log"]);
    assert_eq!(output.stdout, b"");
    let (code, said) = failure(&output);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot open the log `/dev/null/log`"), "{said}");
    let output = program(&["--log", "/not/there/log", "features"]);
    assert!(!output.status.success());
}

#[test]
fn errors_are_named_so_and_name_each_cause_once() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| config["root"]["path"] = "nowhere".into());
    let said = err(&run(&bundle, &[]));
    assert!(said.starts_with("error: "), "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
    fs::write(bundle.path().join("config.json"), "{").unwrap();
    let said = err(&run(&bundle, &[]));
    assert_eq!(said.matches("EOF while parsing").count(), 1, "{said}");
    // Before a container is even named.
    assert!(err(&program(&["--flat"])).starts_with("error: "));
}

#[test]
fn every_command_has_a_help_page() {
    let all = program(&["--help"]);
    assert!(all.status.success());
    let all = String::from_utf8(all.stdout).unwrap();
    for command in [
        "create",
        "start",
        "run",
        "state",
        "kill",
        "delete",
        "exec",
        "pause",
        "resume",
        "ps",
        "update",
        "events",
        "list",
        "spec",
        "features",
        "checkpoint",
        "restore",
    ] {
        assert!(all.contains(&format!("  {command} ")), "{command}");
        for switch in ["--help", "-h"] {
            let output = program(&[command, switch]);
            assert!(output.status.success(), "{command} {switch}: {output:?}");
            let page = String::from_utf8(output.stdout).unwrap();
            assert!(page.starts_with(&format!("gantry-runtime {command} - ")), "{page}");
        }
    }
    let unknown = program(&["fly", "--help"]);
    assert!(!unknown.status.success());
    assert!(err(&unknown).contains("No help topic for 'fly'"));
    // What follows the container belongs to the process.
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    let exec = bundle.on_it("exec", &["echo", "--help"]);
    assert_eq!(exec.stdout, b"--help\n");
}

#[test]
fn debug_messages_go_to_the_log_or_to_the_standard_error() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let output = run(&bundle, &["--debug"]);
    assert_eq!(output.stdout, b"ran\n");
    assert!(err(&output).contains("level=debug"), "{output:?}");
    assert!(err(&output).contains("nsexec container setup"), "{output:?}");
    let log = bundle.dir.path().join("log");
    let log_option = log.to_str().unwrap();
    let output = run(&bundle, &["--debug", "--log", log_option, "--log-format", "json"]);
    assert_eq!(err(&output), "");
    let lines = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.len() > 2 && lines.iter().all(|line| line["level"] == "debug"),
        "{lines:?}"
    );
    // Nothing without being asked.
    assert_eq!(err(&run(&bundle, &[])), "");
}

#[test]
fn a_root_that_is_named_and_not_there_cannot_be_listed() {
    let output = program(&["--root", "/not/there", "list"]);
    assert!(!output.status.success());
    assert!(err(&output).contains("cannot list `/not/there`"), "{output:?}");
    assert!(program(&["list"]).status.success());
    assert!(err(&program(&["list", "-f", "yaml"])).contains("invalid format option"));
}

/// The terminal's output as this command passes it on to a pipe.
#[test]
fn a_terminal_that_is_shown_adds_no_carriage_returns_to_a_pipe() {
    let Some(bundle) = Bundle::new("echo one; echo two") else {
        return;
    };
    bundle.edit(|config| config["process"]["terminal"] = true.into());
    assert_eq!(run(&bundle, &[]).stdout, b"one\ntwo\n");
    bundle.edit(|config| {
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["sleep", "600"]);
    });
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    let mut exec = bundle.command(&["exec", "-t", &bundle.id, "echo", "three"]);
    assert_eq!(exec.output().unwrap().stdout, b"three\n");
}

#[test]
fn a_pidfd_is_sent_to_whoever_listens_for_it() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let path = bundle.dir.path().join("pidfd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let received = || {
        let (socket, _) = listener.accept().unwrap();
        let mut name = [0; 16];
        let (length, mut descriptors) = sys::fd_passing::receive(&socket, &mut name).unwrap();
        let pidfd = descriptors.pop().expect("a descriptor came with the name");
        (String::from_utf8(name[..length].to_vec()).unwrap(), pidfd)
    };
    let created = bundle
        .command(&["run", "-d", "--pidfd-socket"])
        .arg(&path)
        .arg("-b")
        .arg(bundle.path())
        .arg(&bundle.id)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(created.success());
    let (name, init) = received();
    assert_eq!(name, "standard");
    let exec = bundle
        .command(&["exec", "-d", "--pidfd-socket"])
        .arg(&path)
        .args([&bundle.id, "sleep", "600"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(exec.success());
    assert_eq!(received().0, "setns");
    sys::pidfd::send_signal(&init, 9).unwrap();
    bundle.until("stopped");
}

#[test]
fn a_pidfd_socket_that_nobody_listens_on_leaves_no_container() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let output = bundle
        .command(&["create", "--pidfd-socket", "/not/there.sock", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert!(err(&output).contains("/not/there.sock"), "{output:?}");
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn the_specification_to_start_from_fits_the_hosts_cgroups() {
    let Some(bundle) = Bundle::new("echo never") else {
        return;
    };
    let config: Value = serde_json::from_slice(&fs::read(bundle.path().join("config.json")).unwrap()).unwrap();
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let has_cgroup = namespaces.iter().any(|namespace| namespace["type"] == "cgroup");
    assert_eq!(has_cgroup, unified);
}

#[test]
fn real_time_limits_can_be_updated() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    let update = bundle
        .command(&[
            "update",
            "--cpu-rt-period",
            "200000",
            "--cpu-rt-runtime",
            "1000",
            &bundle.id,
        ])
        .output()
        .unwrap();
    let file = std::path::Path::new("/sys/fs/cgroup/cpu")
        .join(bundle.group().path().trim_start_matches('/'))
        .join("cpu.rt_runtime_us");
    if file.exists() {
        assert!(update.status.success(), "{update:?}");
        assert_eq!(fs::read_to_string(file).unwrap(), "1000\n");
    } else {
        let said = err(&update);
        assert!(said.contains("real-time scheduling"), "{said}");
    }
}

#[test]
fn sockets_that_the_caller_opened_are_passed_on() {
    let script = "cat <&3; echo $LISTEN_FDS $LISTEN_PID";
    let Some(bundle) = Bundle::new(script) else { return };
    let words = bundle.dir.path().join("words");
    fs::write(&words, "passed\n").unwrap();
    let run = bundle.command(&["run", "-b"]);
    let with = |pid: &str| {
        let line = format!("exec 3< {}; LISTEN_FDS=1 {pid} exec \"$@\"", words.display());
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &line, "sh"])
            .arg(run.get_program())
            .args(run.get_args());
        shell.arg(bundle.path()).arg(&bundle.id).output().unwrap()
    };
    assert_eq!(with("").stdout, b"passed\n1 1\n");
    assert_eq!(with("LISTEN_PID=$$").stdout, b"passed\n1 1\n");
    let others = with("LISTEN_PID=1");
    assert_eq!(others.stdout, b"\n", "they are another process's: {others:?}");
}

#[test]
fn a_configuration_may_have_another_name() {
    let Some(bundle) = Bundle::new("echo named") else {
        return;
    };
    fs::rename(bundle.path().join("config.json"), bundle.path().join("other.json")).unwrap();
    let output = bundle
        .command(&["--cgroup-manager", "cgroupfs", "run", "--config", "other.json", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"named\n", "{output:?}");
}

#[test]
fn a_container_without_a_process_is_created_and_cannot_be_started() {
    let Some(bundle) = Bundle::new("echo never") else {
        return;
    };
    bundle.edit(|config| drop(config.as_object_mut().unwrap().remove("process")));
    let refused = run(&bundle, &[]);
    assert!(err(&refused).contains("no process"), "{refused:?}");
    assert!(bundle.create().status.success());
    assert_eq!(bundle.status(), "created");
    let start = bundle.on_it("start", &[]);
    assert!(err(&start).contains("has no process"), "{start:?}");
    assert_eq!(bundle.status(), "created");
    assert!(bundle.on_it("delete", &["--force"]).status.success());
    let mut output = String::new();
    fs::File::open(bundle.dir.path().join("output"))
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert_eq!(output, "");
}

#[test]
fn a_kill_reaches_every_process_where_they_share_the_hosts_pids() {
    let Some(bundle) = Bundle::new("sleep 600 & exec sleep 600") else {
        return;
    };
    bundle.edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    });
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    let processes = || bundle.group().processes().unwrap();
    let begun = std::time::Instant::now();
    while processes().len() < 2 {
        assert!(begun.elapsed().as_secs() < 60, "{:?}", processes());
        std::thread::yield_now();
    }
    assert!(
        bundle.on_it("kill", &["0"]).status.success(),
        "it could be sent a signal"
    );
    // Init alone: the other one stays, and the container has ended.
    let state: Value = serde_json::from_slice(&bundle.on_it("state", &[]).stdout).unwrap();
    let init = i32::try_from(state["pid"].as_i64().unwrap()).unwrap();
    sys::pidfd::send_signal(sys::pidfd::open(init).unwrap(), 9).unwrap();
    bundle.until("stopped");
    assert!(bundle.on_it("kill", &["KILL"]).status.success());
    while !processes().is_empty() {
        assert!(begun.elapsed().as_secs() < 120, "{:?}", processes());
        std::thread::yield_now();
    }
    let (_, said) = failure(&bundle.on_it("kill", &["KILL"]));
    assert!(said.contains("container not running"), "{said}");
    let (_, said) = failure(&bundle.on_it("kill", &["0"]));
    assert!(said.contains("container not running"), "{said}");
}

#[test]
fn a_process_can_be_described_in_a_descriptor_of_the_callers() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    let file = bundle.dir.path().join("process.json");
    fs::write(
        &file,
        r#"{"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["/bin/echo", "described"]}"#,
    )
    .unwrap();
    let exec = bundle.command(&["exec", "--process", "/dev/fd/9", &bundle.id]);
    let line = format!("exec 9< {}; exec \"$@\"", file.display());
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &line, "sh"])
        .arg(exec.get_program())
        .args(exec.get_args());
    let output = shell.output().unwrap();
    assert_eq!(output.stdout, b"described\n", "{output:?}");
}

#[test]
fn listed_containers_have_their_fields_in_the_usual_order() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    let output = bundle.command(&["list", "--format", "json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = format!("[{{\"ociVersion\":\"1.3.0\",\"id\":\"{}\",\"pid\":", bundle.id);
    assert!(text.starts_with(&expected), "{text}");
}
