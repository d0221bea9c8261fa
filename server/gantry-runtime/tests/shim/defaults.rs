//! What a container with the engine's own defaults can see and do.

use crate::host::{Host, Wish, ready, wish};
use model::container::spec::Security;
use serde_json::{Value, json};
use shim_protocol::{Command as Ask, Event, ExitStatus, Target};

/// The bundle as the engine writes it: its mounts, hidden paths, capabilities and
/// filter of system calls.
fn standard(config: &mut Value) {
    let security = Security::default();
    let capabilities = bundle::capabilities(&security).unwrap();
    config["process"]["capabilities"] = json!({
        "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
        "inheritable": [], "ambient": [],
    });
    // Else the shim's own would hold, which is spared longest where it may be.
    config["process"]["oomScoreAdj"] = 0.into();
    config["mounts"] = bundle::defaults::mounts(false, false).into();
    config["linux"]["maskedPaths"] = json!(bundle::defaults::MASKED_PATHS);
    config["linux"]["readonlyPaths"] = json!(bundle::defaults::READONLY_PATHS);
    config["linux"]["seccomp"] = bundle::seccomp::for_container(&security, "6.18.0").unwrap().unwrap();
    config["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "cgroup"}));
}

fn standard_wish(script: &str) -> Wish {
    Wish {
        edit: standard,
        ..wish(script)
    }
}

/// Runs a script with the standard bundle; its output.
fn output_of(script: &str) -> String {
    let host = Host::start(&standard_wish(script));
    host.until("the record", || host.record().is_some());
    host.log_text()
}

#[test]
fn a_standard_container_has_few_rights_and_a_filter() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish("");
    wanted.args = ["/bin/cat", "/proc/self/status"].map(str::to_owned).to_vec();
    let host = Host::start(&wanted);
    host.until("the record", || host.record().is_some());
    let text = host.log_text();
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
    ] {
        assert!(text.contains(line), "{line} not in {text}");
    }
}

#[test]
fn a_standard_container_sees_itself_alone() {
    if !ready() {
        return;
    }
    let text = output_of(
        "echo pid $$; ls /proc | grep -c '^[0-9]'; cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware 2>/dev/null | wc -l; \
         echo x 2>/dev/null > /proc/sys/kernel/hostname || echo refused; echo > /dev/null && echo null; \
         ls -l /proc/self/fd | wc -l; cat /proc/self/oom_score_adj; cat /proc/self/cgroup; ls /sys/fs/cgroup",
    );
    assert!(text.starts_with("pid 1\n"), "{text}");
    assert!(text.contains("\n0\n0\nrefused\nnull\n"), "{text}");
    assert!(
        !text.contains("gantry-test"),
        "the cgroup namespace hides where it is: {text}"
    );
}

#[test]
fn a_standard_container_cannot_mount_or_make_namespaces() {
    if !ready() {
        return;
    }
    let text = output_of(
        "busybox mount -t tmpfs none /tmp 2>&1; busybox unshare -m true 2>&1; busybox chroot / /bin/true && echo chrooted; \
         busybox mknod /tmp/n c 1 3 && echo made; busybox mknod /dev/sda b 8 0; cat /dev/sda 2>&1",
    );
    assert!(
        text.contains("permission denied") || text.contains("not permitted"),
        "{text}"
    );
    assert!(text.contains("chrooted") && text.contains("made"), "{text}");
}

#[test]
fn a_user_by_name_is_found_in_the_containers_files() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish(
        "busybox id; echo $HOME; pwd; busybox touch /no 2>/dev/null || echo kept out; echo again > /dev/stderr",
    );
    wanted.edit = |config| {
        standard(config);
        config["process"]["user"]["username"] = "web".into();
        config["process"]["cwd"] = "/srv/site".into();
    };
    wanted.files = &[
        ("etc/passwd", "root:x:0:0::/root:\nweb:x:33:34::/srv:\n"),
        ("etc/group", "www:x:34:\nlog:x:4:web\n"),
    ];
    let host = Host::start(&wanted);
    host.until("the record", || host.record().is_some());
    let text = host.log_text();
    assert!(
        text.contains("uid=33(web) gid=34(www) groups=4(log),34(www)")
            || text.contains("uid=33(web) gid=34(www) groups=4(log)"),
        "{text}"
    );
    assert!(text.contains("\n/srv\n/srv/site\nkept out\n"), "{text}");
    assert!(text.contains("again"), "{text}");
}

#[test]
fn a_small_init_passes_signals_on_and_buries_orphans() {
    if !ready() {
        return;
    }
    let mut wanted =
        standard_wish("(sleep 0.1 &) ; echo me $$; trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done");
    wanted.edit = |config| {
        standard(config);
        config["annotations"] = json!({ "gantry.init": "true" });
    };
    let mut host = Host::start(&wanted);
    host.wait_for_log("me 2");
    let init = host.shim_record().init_pid;
    let name = |file: &str| std::fs::read_to_string(format!("/proc/{init}/{file}")).unwrap();
    assert_eq!(
        (name("comm").trim(), name("cmdline").trim_end_matches('\0')),
        ("gantry-init", "gantry-init")
    );
    let term = Ask::Signal {
        target: Target::Init,
        signal: 15,
    };
    host.control().ask(term).unwrap();
    assert_eq!(host.control().exited().status, ExitStatus::Code(5));
    assert!(host.log_text().ends_with("bye\n"));
}

#[test]
fn a_small_init_tells_of_a_program_that_is_not_there() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish("");
    wanted.args = vec!["missing".into()];
    wanted.edit = |config| {
        standard(config);
        config["annotations"] = json!({ "gantry.init": "true" });
    };
    let mut host = Host::create(&wanted);
    assert_eq!(host.control().ask(Ask::Start).unwrap_err().code, Some(127));
}

#[test]
fn a_program_that_may_not_be_run_is_126() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish("");
    wanted.args = vec!["/tmp".into()];
    let mut host = Host::create(&wanted);
    assert_eq!(host.control().ask(Ask::Start).unwrap_err().code, Some(126));
}

#[test]
fn a_memory_hog_is_killed_and_that_is_on_record() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish("busybox tail /dev/zero");
    wanted.memory_bytes = Some(16 << 20);
    let mut host = Host::start(&wanted);
    let record = host.control().exited();
    assert!(record.oom_killed, "{record:?}");
}

#[test]
fn a_kill_for_want_of_memory_is_told_while_init_lives_on() {
    if !ready() {
        return;
    }
    let mut wanted = standard_wish("busybox tail /dev/zero; echo survived; exec sleep 600");
    wanted.memory_bytes = Some(16 << 20);
    let mut host = Host::start(&wanted);
    host.control().event(|event| (*event == Event::Oom).then_some(()));
    host.wait_for_log("survived");
    assert!(host.control().state().oom_kills > 0);
}

#[test]
fn an_exec_has_the_filter_and_no_more_rights_than_init() {
    if !ready() {
        return;
    }
    let host = Host::start(&standard_wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let mut exec = host
        .exec(
            "look",
            &[
                "/bin/sh",
                "-c",
                "grep -E 'CapEff|Seccomp:|SigBlk' /proc/self/status; cat /proc/self/oom_score_adj; ls /proc/self/fd",
            ],
            false,
            false,
        )
        .unwrap();
    let text = String::from_utf8(exec.frames().0).unwrap();
    assert!(
        text.contains("CapEff:\t0000000000000000") && text.contains("Seccomp:\t2"),
        "{text}"
    );
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
    assert!(text.ends_with("\n0\n0\n1\n2\n3\n"), "{text}");
}

#[test]
fn nothing_is_left_in_the_cgroups_afterwards() {
    if !ready() {
        return;
    }
    let mut host = Host::start(&standard_wish("sleep 600 & sleep 600 & exit 1"));
    host.control().exited();
    let group = cgroup::Hierarchies::discover().unwrap().group(&host.cgroup_path);
    assert!(!group.exists());
}

#[test]
fn a_shim_whose_container_runs_lies_apart_from_the_server() {
    if !ready() {
        return;
    }
    let host = Host::start(&standard_wish("echo up; exec sleep 600"));
    host.wait_for_log("up");
    let shim = host.shim_record().pid;
    let groups = || std::fs::read_to_string(format!("/proc/{shim}/cgroup")).unwrap();
    host.until("the shim's cgroup", || {
        groups().lines().all(|line| line.ends_with("-shims"))
    });
}
