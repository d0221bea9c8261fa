//! Descriptors of the host that a container must not get hold of.

use crate::bundle::Bundle;
use crate::hostile::hostile;
use std::fs;
use std::process::{Command, Output};

const MARK: &str = "mark-of-the-host";

/// Runs `plain` with descriptors 5 to 9 open on a directory of the host, as a careless
/// caller does.
fn with_leaks(bundle: &Bundle, plain: &Command) -> Output {
    let dir = bundle.beside("of-the-host");
    let _ = fs::create_dir(&dir);
    fs::write(dir.join(MARK), "secret").unwrap();
    let open = (5..10)
        .map(|fd| format!("{fd}<{}", dir.display()))
        .collect::<Vec<_>>()
        .join(" ");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("exec {open}; exec \"$@\""), "sh"])
        .arg(plain.get_program());
    command.args(plain.get_args()).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn reached(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(MARK)
}

/// Looks around where it begins, and above.
const LOOK: &str = "for up in . .. ../.. ../../.. ../../../../../../../..; do ls $up; done; ls -l /proc/self/fd/";

/// CVE-2024-21626: a descriptor of a directory of the host that is still open when the
/// working directory is entered lets `cwd` be `/proc/self/fd/N`, and the container begins
/// outside of its root.
#[test]
fn a_working_directory_of_a_leaked_descriptor_leads_nowhere() {
    let Some(bundle) = hostile(LOOK) else { return };
    for fd in 3..16 {
        for cwd in [
            format!("/proc/self/fd/{fd}"),
            format!("/proc/self/fd/{fd}/../../.."),
            format!("/proc/1/fd/{fd}"),
            format!("/proc/thread-self/fd/{fd}/"),
        ] {
            bundle.edit(|config| config["process"]["cwd"] = cwd.clone().into());
            let output = with_leaks(&bundle, &bundle.run_command());
            assert!(!reached(&output), "{cwd}: {output:?}");
            let _ = bundle.on_it("delete", &["--force"]);
        }
    }
}

/// The same where a link of the image hides it.
#[test]
fn a_working_directory_that_is_a_link_to_a_descriptor_leads_nowhere() {
    let Some(bundle) = hostile(LOOK) else { return };
    bundle.edit(|config| config["process"]["cwd"] = "/work/below".into());
    for fd in 3..16 {
        let link = bundle.rootfs().join("work");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(format!("/proc/self/fd/{fd}/.."), &link).unwrap();
        let output = with_leaks(&bundle, &bundle.run_command());
        assert!(!reached(&output), "{fd}: {output:?}");
        let host = bundle.beside("below");
        assert!(!host.exists(), "the working directory was made on the host");
    }
}

/// And by a further process, whose directory is given at its start.
#[test]
fn an_exec_in_a_directory_of_a_leaked_descriptor_leads_nowhere() {
    let Some(bundle) = hostile("echo up; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    for fd in 3..16 {
        for cwd in [format!("/proc/self/fd/{fd}"), format!("/proc/self/fd/{fd}/../..")] {
            let exec = bundle.command(&["exec", "--cwd", &cwd, &bundle.id, "/bin/sh", "-c", LOOK]);
            let output = with_leaks(&bundle, &exec);
            assert!(!reached(&output), "{cwd}: {output:?}");
        }
    }
}

/// What a caller left open is not the container's, unless it says so.
#[test]
fn only_the_standard_streams_are_open() {
    let script = "for fd in /proc/self/fd/*; do echo ${fd##*/}; done | grep -vx '[012]' | while read fd; do
                    [ -e /proc/$$/fd/$fd ] && echo LEAKED $fd $(readlink /proc/$$/fd/$fd); done; echo looked";
    let Some(bundle) = hostile(script) else { return };
    let output = with_leaks(&bundle, &bundle.run_command());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "looked", "{output:?}");
    bundle.edit(|config| config["process"]["args"] = serde_json::json!(["/bin/sleep", "600"]));
    bundle.run_detached();
    let exec = bundle.command(&["exec", &bundle.id, "/bin/sh", "-c", script]);
    let output = with_leaks(&bundle, &exec);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "looked", "{output:?}");
    // The container's own init holds nothing either.
    let pid = bundle.pid();
    let open: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
}

/// What a process of the runtime holds beside its streams: a socket to the caller, and the
/// FIFOs that it waits at.
fn odd_descriptors(pid: i32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.map(|entry| {
        let entry = entry.unwrap();
        let target = fs::read_link(entry.path()).unwrap_or_default();
        (entry.file_name().into_string().unwrap(), target)
    });
    targets
        .filter(|(fd, target)| {
            let shown = target.to_string_lossy();
            let is_stream = matches!(fd.as_str(), "0" | "1" | "2");
            !is_stream && !shown.starts_with("socket:") && !shown.ends_with(".fifo")
        })
        .map(|(fd, target)| format!("{fd} -> {}", target.display()))
        .collect()
}

/// The class of CVE-2024-21626: while init waits, hooks and other processes see what it has
/// open, its v2 cgroup among them, by which they would reach the host's tree.
#[test]
fn init_holds_nothing_of_the_host_while_it_waits() {
    for own_users in [false, true] {
        let Some(bundle) = hostile("exec sleep 600") else {
            return;
        };
        if own_users {
            crate::hostile::with_own_users(&bundle);
        }
        let look = "pid=$(grep -o '\"pid\":[0-9]*' | cut -d: -f2); ls -l /proc/$pid/fd >&2; exit 0";
        bundle.edit(|config| {
            config["hooks"] = serde_json::json!({"createContainer": [{
                "path": "/bin/busybox", "args": ["sh", "-c", look], "env": ["PATH=/bin:/usr/bin"],
            }]});
        });
        let created = bundle.create();
        assert!(created.status.success(), "{}", bundle.output());
        assert_eq!(bundle.status(), "created");
        assert_eq!(odd_descriptors(bundle.pid()), Vec::<String>::new());
        // What a hook saw; of users of a user namespace the kernel shows it nothing.
        let seen = bundle.output();
        assert!(own_users || seen.contains("socket:"), "{seen}");
        assert!(!seen.contains("cgroup"), "{seen}");
    }
}

/// The same of an exec, which is held where its program would begin.
#[test]
fn an_exec_holds_nothing_of_the_host_when_its_program_begins() {
    let Some(bundle) = hostile("echo up; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    let socket = bundle.beside("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // The container's own copy is what an exec reads.
    let kept = bundle.beside("root").join(&bundle.id).join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    config["linux"]["seccomp"] = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket,
        "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_NOTIFY"}],
    });
    fs::write(kept, config.to_string()).unwrap();
    let init = bundle.pid();
    let mut exec = bundle.command(&["exec", &bundle.id, "/bin/true"]).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let (_, announcements) = sys::fd_passing::receive(&stream, &mut vec![0; 64 << 10]).unwrap();
    let inside = |pid: &i32| {
        let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        *pid != init && namespace(*pid) == namespace(init)
    };
    let processes = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
    };
    bundle.until("the exec waits in execve", |_| {
        processes()
            .filter(inside)
            .any(|pid| fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|line| line.starts_with("59 ")))
    });
    for pid in processes().filter(inside) {
        assert_eq!(odd_descriptors(pid), Vec::<String>::new());
    }
    drop(announcements);
    assert!(!exec.wait().unwrap().success());
}
