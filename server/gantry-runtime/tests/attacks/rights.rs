//! Capabilities, and what the filter of system calls refuses.

use crate::hostile::{hostile, set_args, with_own_users};
use std::collections::BTreeMap;

/// CVE-2022-24769, CVE-2022-29162, CVE-2022-27650: with capabilities that are
/// inheritable, programs with capabilities in their files give ordinary users more.
#[test]
fn no_capability_is_inheritable() {
    let Some(bundle) = hostile("grep CapInh /proc/self/status; echo up >&2; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    let none = "CapInh:\t0000000000000000";
    assert!(bundle.output().contains(none), "{}", bundle.output());
    bundle.exec("grep CapInh /proc/self/status").expect(none);
    // Neither by asking for more, nor for a user who gets none.
    for switches in [["--cap", "CAP_NET_ADMIN"], ["--user", "1000"]] {
        let mut exec = bundle.command(&["exec"]);
        exec.args(switches)
            .args([&bundle.id, "/bin/grep", "CapInh", "/proc/self/status"]);
        let output = exec.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), none, "{switches:?}");
    }
}

/// How each call ended, by door.
fn calls(out: &str) -> BTreeMap<(String, String), String> {
    let parse = |line: &str| {
        let (call, answer) = line.rsplit_once(": ")?;
        let (door, name) = call.split_once(' ')?;
        Some(((name.to_owned(), door.to_owned()), answer.to_owned()))
    };
    out.lines().filter_map(parse).collect()
}

/// The kernel's largest surfaces: keyrings (CVE-2016-0728), io_uring (CVE-2022-29582),
/// userfaultfd, bpf (CVE-2021-3490), perf events, AF_ALG, AF_VSOCK, and new namespaces by
/// clone, clone3 and unshare (CVE-2022-0185), each by the native, the x32 and the i386 door.
#[test]
fn the_filter_refuses_by_every_door_what_reaches_deep() {
    let Some(bundle) = hostile("") else { return };
    set_args(&bundle, &["/bin/attacker", "calls"]);
    let ran = bundle.run();
    let calls = calls(&ran.out);
    let open = |name: &str| {
        [
            "ptrace",
            "process_vm_readv",
            "chroot",
            "name_to_handle_at",
            "personality(ask)",
            "socket(AF_UNIX)",
        ]
        .contains(&name)
    };
    assert!(calls.len() > 150, "{} {}", ran.out, ran.err);
    for ((name, door), answer) in &calls {
        let expected: &[&str] = match (name.as_str(), door.as_str()) {
            // Where the kernel lacks the door altogether, open calls answer so too; some
            // have other numbers there, which are refused.
            (_, "x32") if open(name) => &["open", "ENOSYS", "EPERM"],
            (_, "i386") if open(name) => &["open", "no door"],
            // C libraries fall back to clone.
            ("clone3", "i386") => &["ENOSYS", "no door"],
            ("socketcall(socket)", _) => &["ENOSYS", "no door"],
            ("clone3", _) => &["ENOSYS"],
            (_, "i386") => &["EPERM", "no door"],
            _ if open(name) => &["open"],
            _ => &["EPERM"],
        };
        assert!(expected.contains(&answer.as_str()), "{door} {name}: {answer}");
    }
}

/// The same table without a filter: were the attempts void, they would prove nothing.
#[test]
fn without_a_filter_the_same_calls_reach_the_kernel() {
    let Some(bundle) = hostile("") else { return };
    set_args(&bundle, &["/bin/attacker", "calls"]);
    bundle.edit(|config| drop(config["linux"].as_object_mut().unwrap().remove("seccomp")));
    let calls = calls(&bundle.run().out);
    for name in [
        "add_key",
        "keyctl",
        "request_key",
        "clone3",
        "io_uring_register",
        "personality(no random addresses)",
    ] {
        assert_eq!(calls[&(name.to_owned(), "native".to_owned())], "open", "{name}");
    }
}

/// A filter that lists one architecture only must end what comes by another door.
#[test]
fn an_architecture_that_is_not_listed_is_killed() {
    let Some(bundle) = hostile("") else { return };
    set_args(&bundle, &["/bin/attacker", "calls"]);
    bundle.edit(|config| {
        config["linux"]["seccomp"] =
            serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]});
    });
    let ran = bundle.run();
    let calls = calls(&ran.out);
    assert!(calls.len() > 150, "{} {}", ran.out, ran.err);
    for ((name, door), answer) in &calls {
        match door.as_str() {
            "native" => assert_ne!(answer, "killed", "{name}"),
            "x32" => assert_eq!(answer, "killed", "x32 {name}"),
            // A processor or kernel without the door kills by itself.
            _ => assert!(
                ["killed", "no door"].contains(&answer.as_str()),
                "i386 {name}: {answer}"
            ),
        }
    }
}

/// Root of a user namespace of its own has all capabilities in it; what the filter
/// refuses by capability stays refused without them in the bounding set.
#[test]
fn users_of_their_own_open_no_door() {
    let Some(bundle) = hostile("") else { return };
    with_own_users(&bundle);
    set_args(&bundle, &["/bin/attacker", "calls"]);
    let calls = calls(&bundle.run().out);
    assert!(calls.len() > 150);
    for name in [
        "mount",
        "unshare(user)",
        "setns",
        "bpf",
        "keyctl",
        "io_uring_setup",
        "userfaultfd",
        "clone(new user)",
    ] {
        assert_eq!(calls[&(name.to_owned(), "native".to_owned())], "EPERM", "{name}");
    }
}

/// Keys of whoever starts the container must not be found in it, filter or not: each
/// container has a session keyring of its own.
#[test]
fn keys_of_the_caller_are_not_found() {
    let Some(bundle) = hostile("") else { return };
    set_args(&bundle, &["/bin/attacker", "find-key", "gantry-test-key"]);
    bundle.edit(|config| drop(config["linux"].as_object_mut().unwrap().remove("seccomp")));
    let run = |switches: &[&str]| {
        let plain = bundle.run_command();
        let mut command = std::process::Command::new(crate::hostile::attacker());
        command.args(["put-key", "gantry-test-key"]).arg(plain.get_program());
        for argument in plain.get_args() {
            command.arg(argument);
            if argument == "run" {
                command.args(switches);
            }
        }
        command.output().unwrap()
    };
    let output = run(&[]);
    if output.status.code() == Some(77) {
        println!("skipped: this kernel has no keyrings");
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "searched", "{output:?}");
    // The attack is one: with the caller's keyring it finds the key.
    let shared = run(&["--no-new-keyring"]);
    assert!(String::from_utf8_lossy(&shared.stdout).contains("FOUND"), "{shared:?}");
}
