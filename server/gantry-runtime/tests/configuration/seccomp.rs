//! Filters of system calls, as programs meet them.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::os::unix::net::UnixListener;

fn filtered(script: &str, rules: Value) -> Option<Bundle> {
    let bundle = Bundle::new(script)?;
    bundle.edit(|config| {
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
    });
    Some(bundle)
}

#[test]
fn a_call_is_refused_with_the_errno_of_its_rule() {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]);
    let Some(bundle) = filtered("mkdir /x 2>&1; true", rules) else {
        return;
    };
    let ran = bundle.run();
    assert!(ran.out.contains("No space left on device"), "{ran:?}");
}

#[test]
fn a_call_can_be_refused_for_its_arguments_alone() {
    let rules = json!([{
        "names": ["chmod", "fchmodat", "fchmod"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "value": 0o4000, "valueTwo": 0o4000, "op": "SCMP_CMP_MASKED_EQ"}],
    }]);
    let Some(bundle) = filtered(
        "touch /x; chmod 755 /x && echo plain; chmod 4755 /x 2>/dev/null || echo refused",
        rules,
    ) else {
        return;
    };
    bundle.run().expect("plain\nrefused");
}

#[test]
fn a_mask_without_a_value_means_zero() {
    let rules = json!([{
        "names": ["chmod", "fchmodat", "fchmod"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "value": 0o4000, "op": "SCMP_CMP_MASKED_EQ"}],
    }]);
    let Some(bundle) = filtered(
        "touch /x; chmod 4755 /x && echo set; chmod 755 /x 2>/dev/null || echo refused",
        rules,
    ) else {
        return;
    };
    bundle.run().expect("set\nrefused");
}

#[test]
fn a_deadly_rule_ends_the_program() {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]);
    let Some(bundle) = filtered("(mkdir /x); echo $?", rules) else {
        return;
    };
    bundle.run().expect("159");
}

/// Calls of busybox itself, and of nobody who starts it but execve.
const OF_TRUE: [&str; 22] = [
    "execve",
    "brk",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "prlimit64",
    "readlink",
    "readlinkat",
    "getrandom",
    "mprotect",
    "prctl",
    "getuid",
    "stat",
    "newfstatat",
    // It gives up what it would have been given as a setuid program.
    "getgid",
    "setgid",
    "setuid",
    "setgroups",
    "mmap",
    "munmap",
    "exit_group",
];

/// Allows `calls` alone, with no_new_privs and without, to root and to a user.
fn each_with_only(bundle: &Bundle, calls: &[&str], other: &str, mut check: impl FnMut(&Bundle, &str)) {
    for no_new_privileges in [true, false] {
        for uid in [0, 1000] {
            bundle.edit(|config| {
                config["process"]["noNewPrivileges"] = no_new_privileges.into();
                config["process"]["user"] = json!({"uid": uid, "gid": uid});
                config["linux"]["seccomp"] = json!({
                    "defaultAction": other, "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}],
                });
            });
            check(
                bundle,
                &format!("no_new_privs {no_new_privileges}, user {uid}, others {other}"),
            );
        }
    }
}

/// Profiles are older than the calls that a start makes today; where one kills, a single
/// call too many between the filter and the program ends the container.
#[test]
fn a_filter_that_allows_the_programs_calls_alone_lets_it_run() {
    let Some(bundle) = Bundle::new("") else { return };
    bundle.edit(|config| {
        config["process"]["args"] = json!(["/bin/true"]);
        config["process"]["cwd"] = "/srv/new".into();
    });
    let waiting = [&OF_TRUE[..], &["read", "write", "capset"]].concat();
    let without_capset = [&OF_TRUE[..], &["read", "write"]].concat();
    for (calls, other) in [
        (&OF_TRUE[..], "SCMP_ACT_KILL_PROCESS"),
        (&OF_TRUE[..], "SCMP_ACT_ERRNO"),
        (&waiting[..], "SCMP_ACT_KILL_PROCESS"),
        (&without_capset[..], "SCMP_ACT_KILL_PROCESS"),
    ] {
        each_with_only(&bundle, calls, other, |bundle, how| {
            let ran = bundle.run();
            assert_eq!(ran.code, Some(0), "run, {how}: {}", ran.err);
            let created = bundle.create();
            assert!(created.status.success(), "create, {how}: {}", bundle.output());
            let started = bundle.on_it("start", &[]);
            assert!(started.status.success(), "start, {how}: {started:?}");
            bundle.until("it ends", |bundle| bundle.status() == "stopped");
            assert!(bundle.on_it("delete", &[]).status.success());
        });
    }
}

#[test]
fn a_filter_that_allows_the_programs_calls_alone_lets_an_exec_run() {
    let Some(bundle) = Bundle::new("") else { return };
    let sleeping = [
        &OF_TRUE[..],
        &["nanosleep", "clock_nanosleep", "clock_nanosleep_time64"],
    ]
    .concat();
    bundle.edit(|config| config["process"]["args"] = json!(["/bin/sleep", "600"]));
    each_with_only(&bundle, &sleeping, "SCMP_ACT_KILL_PROCESS", |bundle, how| {
        bundle.run_detached();
        let ran = bundle.on_it("exec", &["/bin/true"]);
        assert!(ran.status.success(), "{how}: {ran:?}");
        assert!(bundle.on_it("delete", &["--force"]).status.success());
    });
}

/// The channel to the caller closes when the program runs, and when the process is killed:
/// both are told apart.
#[test]
fn a_start_that_the_filter_kills_is_told() {
    let Some(bundle) = Bundle::new("") else { return };
    bundle.edit(|config| config["process"]["args"] = json!(["/bin/true"]));
    for no_new_privileges in [true, false] {
        bundle.edit(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_KILL_PROCESS"}],
            });
        });
        bundle.run().refused("seccomp filter");
        assert!(bundle.create().status.success(), "{}", bundle.output());
        let started = bundle.on_it("start", &[]);
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(!started.status.success() && said.contains("seccomp filter"), "{said}");
        bundle.until("it ends", |bundle| bundle.status() == "stopped");
        assert!(bundle.on_it("delete", &[]).status.success());
    }
}

#[test]
fn an_exec_that_the_filter_kills_is_told() {
    let Some(bundle) = Bundle::new("echo up; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    // The container's own copy is what an exec reads.
    let kept = bundle.beside("root").join(&bundle.id).join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_KILL_PROCESS"}],
    });
    std::fs::write(kept, config.to_string()).unwrap();
    bundle.exec("echo ran").refused("seccomp filter");
}

/// What others see of a container that was created is what it will be.
#[test]
fn a_created_container_has_its_filter_user_and_rights() {
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
    let Some(bundle) = filtered("exec sleep 600", rules) else {
        return;
    };
    for no_new_privileges in [true, false] {
        bundle.edit(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        });
        assert!(bundle.create().status.success(), "{}", bundle.output());
        let status = std::fs::read_to_string(format!("/proc/{}/status", bundle.pid())).unwrap();
        for line in ["Seccomp:\t2", "Uid:\t1000\t1000", "CapPrm:\t0000000000000000"] {
            assert!(status.contains(line), "{line}: {status}");
        }
        assert!(bundle.on_it("delete", &["--force"]).status.success());
    }
}

#[test]
fn hooks_of_the_container_run_under_its_filter() {
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
    let Some(bundle) = filtered("exec sleep 600", rules) else {
        return;
    };
    for no_new_privileges in [true, false] {
        bundle.edit(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["hooks"] = json!({"startContainer": [{
                "path": "/bin/sh", "args": ["sh", "-c", "grep -E '^(Seccomp|Uid)' /proc/self/status"],
            }]});
        });
        assert!(bundle.create().status.success(), "{}", bundle.output());
        assert!(bundle.on_it("start", &[]).status.success());
        let said = bundle.output();
        assert!(said.contains("Seccomp:\t2"), "{said}");
        assert!(bundle.on_it("delete", &["--force"]).status.success());
    }
}

/// An agent that reaches the socket; gives what it was sent and with how many descriptors.
fn agent(listener: UnixListener) -> std::thread::JoinHandle<Option<(Value, Vec<std::os::fd::OwnedFd>)>> {
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().ok()?;
        let mut message = vec![0; 64 << 10];
        let (length, descriptors) = sys::fd_passing::receive(&stream, &mut message).ok()?;
        Some((serde_json::from_slice(&message[..length]).ok()?, descriptors))
    })
}

#[test]
fn a_listener_gets_the_calls_with_the_containers_state_while_it_is_created() {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]);
    let Some(bundle) = filtered("mkdir /x 2>&1; true", rules) else {
        return;
    };
    for no_new_privileges in [true, false] {
        let socket = bundle.beside("agent.sock");
        let _ = std::fs::remove_file(&socket);
        let agent = agent(UnixListener::bind(&socket).unwrap());
        bundle.edit(|config| {
            config["process"]["noNewPrivileges"] = no_new_privileges.into();
            config["linux"]["seccomp"]["listenerPath"] = socket.to_str().unwrap().into();
            config["linux"]["seccomp"]["listenerMetadata"] = "words".into();
        });
        let created = bundle.create();
        assert!(created.status.success(), "{}", bundle.output());
        // Nothing was started yet.
        let (state, descriptors) = agent.join().unwrap().unwrap();
        assert_eq!(state["metadata"], "words");
        assert_eq!(state["fds"], json!(["seccompFd"]));
        assert_eq!(state["pid"], bundle.pid());
        assert_eq!(state["state"]["id"], bundle.id.as_str());
        assert_eq!(state["state"]["pid"], bundle.pid());
        assert_eq!(state["state"]["status"], "creating");
        assert_eq!(descriptors.len(), 1);
        // Nobody listens any more: the kernel answers ENOSYS.
        drop(descriptors);
        assert!(bundle.on_it("start", &[]).status.success());
        bundle.until("it ends", |bundle| bundle.status() == "stopped");
        assert!(
            bundle.output().contains("Function not implemented"),
            "{}",
            bundle.output()
        );
        assert!(bundle.on_it("delete", &[]).status.success());
    }
}

#[test]
fn a_listener_needs_somebody_to_listen() {
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]);
    let Some(bundle) = filtered("echo ran", rules) else {
        return;
    };
    bundle.run().refused("listenerPath");
    bundle.edit(|config| config["linux"]["seccomp"]["listenerPath"] = "/nowhere.sock".into());
    bundle.run().refused("/nowhere.sock");
    let rules = json!([{"names": ["sendmsg"], "action": "SCMP_ACT_NOTIFY"}]);
    bundle.edit(|config| config["linux"]["seccomp"]["syscalls"] = rules);
    bundle.run().refused("sendmsg");
}
