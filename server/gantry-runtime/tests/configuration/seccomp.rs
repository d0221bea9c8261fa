//! Filters of system calls, as programs meet them.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::io::Read as _;
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

#[test]
fn a_listener_gets_the_calls_with_the_containers_state() {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]);
    let Some(bundle) = filtered("mkdir /x 2>&1; true", rules) else {
        return;
    };
    let socket = bundle.beside("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    bundle.edit(|config| {
        config["linux"]["seccomp"]["listenerPath"] = socket.to_str().unwrap().into();
        config["linux"]["seccomp"]["listenerMetadata"] = "words".into();
    });
    let mut child = bundle
        .run_command()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    let stream = loop {
        if let Ok((stream, _)) = listener.accept() {
            break stream;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it reached the listener"
        );
        std::thread::yield_now();
    };
    stream.set_nonblocking(false).unwrap();
    let mut message = vec![0; 64 << 10];
    let (length, descriptors) = sys::fd_passing::receive(&stream, &mut message).unwrap();
    let state: Value = serde_json::from_slice(&message[..length]).unwrap();
    assert_eq!(state["metadata"], "words");
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["state"]["id"], bundle.id.as_str());
    assert_eq!(descriptors.len(), 1);
    // Nobody listens any more: the kernel answers ENOSYS.
    drop((descriptors, stream));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.wait().unwrap();
    assert!(out.contains("Function not implemented"), "{out}");
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
