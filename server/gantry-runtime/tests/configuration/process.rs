//! The process: limits, priorities, capabilities, hooks.

use crate::bundle::{Bundle, Ran};
use serde_json::{Value, json};
use std::fs;

#[test]
fn limits_and_scores_are_those_asked_for() {
    let Some(bundle) = Bundle::new("ulimit -n; ulimit -c; cat /proc/self/oom_score_adj; umask") else {
        return;
    };
    bundle.edit(|config| {
        config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ]);
        config["process"]["oomScoreAdj"] = 321.into();
        config["process"]["user"]["umask"] = 0o27.into();
    });
    bundle.run().expect("77\n0\n321\n0027");
    bundle.edit(|config| {
        config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ]);
    });
    bundle.run().refused("twice");
}

#[test]
fn an_unset_score_is_left_as_it_is() {
    let Some(bundle) = Bundle::new("cat /proc/self/oom_score_adj") else {
        return;
    };
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    bundle.run().expect(own.trim());
}

#[test]
fn scheduler_priorities_and_personality_reach_the_program() {
    let script = "cut -d' ' -f19 /proc/self/stat; cut -d' ' -f41 /proc/self/stat; uname -m; cat /proc/self/personality";
    let Some(bundle) = Bundle::new(script) else { return };
    bundle.edit(|config| {
        config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 7});
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0});
        config["linux"]["personality"] = json!({"domain": "LINUX32"});
    });
    bundle.run().expect("7\n3\ni686\n00000008");
    bundle.edit(|config| config["process"]["scheduler"] = json!({"policy": "SCHED_FIFO", "priority": 500}));
    bundle.run().refused("cannot set scheduler");
}

#[test]
fn memory_policy_reaches_the_program() {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        println!("skipped: this kernel has no memory policies");
        return;
    }
    let Some(bundle) = Bundle::new("head -n 1 /proc/self/numa_maps | cut -d' ' -f2") else {
        return;
    };
    bundle.edit(|config| config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"}));
    bundle.run().expect("bind:0");
    let refused_at_creation = |policy: serde_json::Value, why: &str| {
        bundle.edit(|config| config["linux"]["memoryPolicy"] = policy);
        let created = bundle
            .command(&["create", "-b"])
            .arg(bundle.path())
            .arg(&bundle.id)
            .output();
        Ran::from(created.unwrap()).refused(why);
        let state = Ran::from(bundle.on_it("state", &[]));
        assert_ne!(state.code, Some(0), "it is there: {}", state.out);
    };
    refused_at_creation(json!({"mode": "MPOL_BIND", "nodes": "some"}), "no list of memory nodes");
    refused_at_creation(json!({"mode": "MPOL_BIND"}), "cannot set memory policy");
    refused_at_creation(
        json!({"mode": "MPOL_BIND", "nodes": "4095"}),
        "cannot set memory policy",
    );
}

#[test]
fn labels_that_no_module_would_take_are_refused() {
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if modules.contains("apparmor") || modules.contains("selinux") {
        println!("skipped: this kernel runs a security module");
        return;
    }
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| config["process"]["apparmorProfile"] = "web".into());
    bundle.run().refused("does not run AppArmor");
    bundle.edit(|config| {
        config["process"]["apparmorProfile"] = "".into();
        config["process"]["selinuxLabel"] = "system_u:system_r:x".into();
    });
    bundle.run().refused("does not run SELinux");
    // A label of mounts has no meaning there.
    bundle.edit(|config| {
        config["process"]["selinuxLabel"] = "".into();
        config["linux"]["mountLabel"] = "system_u:object_r:x".into();
    });
    bundle.run().expect("ran");
}

#[test]
fn all_five_capability_sets_are_as_asked() {
    let Some(bundle) = Bundle::new("grep Cap /proc/self/status | cut -f2") else {
        return;
    };
    let kill = json!(["CAP_KILL"]);
    let two = json!(["CAP_KILL", "CAP_CHOWN"]);
    bundle.edit(|config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["capabilities"] = json!({
            "bounding": two, "effective": kill, "inheritable": kill, "permitted": kill, "ambient": kill,
        });
    });
    let one = "0000000000000020";
    bundle
        .run()
        .expect(&[one, one, one, "0000000000000021", one].join("\n"));
}

#[test]
fn an_exec_gets_capabilities_that_the_container_has_no_sets_for() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let sets = |arguments: &[&str]| {
        let mut command = bundle.command(&["exec"]);
        command.args(arguments).arg(&bundle.id);
        let ran = Ran::from(command.args(["grep", "Cap", "/proc/self/status"]).output().unwrap());
        let values = ran.out.lines().filter_map(|line| line.split_whitespace().nth(1));
        values
            .map(|value| u64::from_str_radix(value, 16).unwrap())
            .collect::<Vec<_>>()
    };
    let (chown, kill, syslog) = (1, 1 << 5, 1 << 34);
    bundle.edit(|config| drop(config["process"].as_object_mut().unwrap().remove("capabilities")));
    bundle.run_detached();
    // Inheritable, permitted, effective, bounding, ambient.
    assert_eq!(sets(&[]), [0; 5]);
    assert_eq!(sets(&["--cap", "CAP_KILL"]), [0, kill, kill, kill, 0]);
    assert!(bundle.on_it("delete", &["--force"]).status.success());
    bundle.edit(|config| {
        config["process"]["capabilities"] = json!({
            "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
            "effective": ["CAP_KILL"], "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN"],
        });
    });
    bundle.run_detached();
    let all = chown | kill | syslog;
    let inherited = chown | syslog;
    assert_eq!(sets(&[]), [inherited, chown | kill, chown | kill, all, chown]);
    assert_eq!(sets(&["--cap", "CAP_SYSLOG"]), [inherited, all, all, all, inherited]);
}

#[test]
fn the_callers_processors_are_not_the_containers() {
    let Some(bundle) = Bundle::new("grep Cpus_allowed: /proc/self/status | cut -f2; exec sleep 600") else {
        return;
    };
    let allowed = fs::read_to_string("/proc/self/status").unwrap();
    let own = allowed
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"))
        .unwrap()
        .trim();
    let on_first = |command: &std::process::Command| {
        let mut first = std::process::Command::new("taskset");
        first
            .args(["-c", "0"])
            .arg(command.get_program())
            .args(command.get_args());
        first
    };
    let mut run = bundle.command(&["run", "-d", "-b"]);
    run.arg(bundle.path()).arg(&bundle.id);
    let log = fs::File::create(bundle.beside("output")).unwrap();
    let status = on_first(&run).stdout(log).stderr(std::process::Stdio::null()).status();
    assert!(status.unwrap().success());
    bundle.until("its processors are told", |bundle| bundle.output().contains('\n'));
    assert_eq!(bundle.output().trim(), own);
    let exec = bundle.command(&["exec", &bundle.id, "grep", "Cpus_allowed:", "/proc/self/status"]);
    let ran = Ran::from(on_first(&exec).output().unwrap());
    assert_eq!(ran.out.split_whitespace().nth(1), Some(own), "{}", ran.err);
}

#[test]
fn a_missing_program_directory_or_right_has_its_exit_code() {
    let Some(bundle) = Bundle::new("") else { return };
    let args = |program: &str| bundle.edit(|config| config["process"]["args"] = json!([program]));
    fs::write(bundle.rootfs().join("plain"), "no program").unwrap();
    for program in ["/not/there", "/plain", "/bin"] {
        args(program);
        bundle.run().refused("cannot run");
    }
    bundle.edit(|config| config["process"]["cwd"] = "relative".into());
    bundle.run().refused("no absolute path");
}

#[test]
fn hooks_run_at_their_places_with_the_state_and_their_own_environment() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let record = bundle.beside("record");
    fs::write(&record, "").unwrap();
    let hook = |name: &str| {
        let script = format!(
            "read state; echo {name} $(echo $state | grep -o '\"status\":\"[a-z]*\"' | cut -d'\"' -f4) $OWN ${{CARGO_MANIFEST_DIR:+CARGO}} >> {}",
            record.display()
        );
        json!([{"path": "/bin/busybox", "args": ["sh", "-c", script], "env": ["OWN=mine"]}])
    };
    bundle.edit(|config| {
        config["hooks"] = json!({
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"), "poststart": hook("poststart"), "poststop": hook("poststop"),
        });
    });
    bundle.run().expect("ran");
    let record = fs::read_to_string(record).unwrap();
    let names: Vec<&str> = record.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        names,
        ["prestart", "createRuntime", "createContainer", "poststart", "poststop"],
        "{record}"
    );
    assert!(
        record
            .lines()
            .all(|line| line.contains("mine") && !line.contains("CARGO")),
        "{record}"
    );
    assert!(
        record.contains("createContainer creating") && record.contains("poststop stopped"),
        "{record}"
    );
}

#[test]
fn hooks_without_an_environment_have_the_runtimes_or_the_processs() {
    let Some(bundle) = Bundle::new("cat /seen") else { return };
    let record = bundle.beside("record");
    let hook = |name: &str, place: &std::path::Path, variables: Value| {
        let script = format!("/bin/busybox echo {name} $WHOSE >> {}", place.display());
        let mut hook = json!({"path": "/bin/busybox", "args": ["sh", "-c", script]});
        if !variables.is_null() {
            hook["env"] = variables;
        }
        hook
    };
    let seen = std::path::Path::new("/seen");
    bundle.edit(|config| {
        config["process"]["env"] = json!(["PATH=/bin", "WHOSE=process"]);
        let mut hooks = json!({});
        for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            hooks[name] = json!([hook(name, &record, Value::Null)]);
        }
        hooks["poststop"]
            .as_array_mut()
            .unwrap()
            .push(hook("empty", &record, json!([])));
        hooks["startContainer"] = json!([
            hook("startContainer", seen, Value::Null),
            hook("empty", seen, json!([]))
        ]);
        config["hooks"] = hooks;
    });
    let ran = Ran::from(bundle.run_command().env("WHOSE", "runtime").output().unwrap());
    ran.expect("startContainer process\nempty");
    assert_eq!(
        fs::read_to_string(record).unwrap(),
        "prestart runtime\ncreateRuntime runtime\ncreateContainer runtime\npoststart runtime\npoststop runtime\nempty\n"
    );
}

#[test]
fn a_hook_that_fails_or_hangs_ends_the_container_and_leaves_nothing() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    for script in ["exit 3", "sleep 600"] {
        for place in ["prestart", "createRuntime", "createContainer"] {
            bundle.edit(|config| {
                config["hooks"] =
                    json!({place: [{"path": "/bin/busybox", "args": ["sh", "-c", script], "timeout": 1}]});
            });
            bundle.run().refused("hook");
            assert!(!bundle.on_it("state", &[]).status.success());
        }
    }
}

#[test]
fn a_create_container_hook_mounts_below_its_working_directory() {
    let Some(bundle) = Bundle::new("cat /mounted") else {
        return;
    };
    fs::write(bundle.beside("words"), "of the host\n").unwrap();
    let script = format!(
        "touch mounted && mount --bind {} ./mounted",
        bundle.beside("words").display()
    );
    bundle.edit(|config| {
        config["hooks"] = json!({"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
    });
    bundle.run().expect("of the host");
}

#[test]
fn what_a_failed_hook_printed_is_in_the_error() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    for place in ["createRuntime", "createContainer", "startContainer"] {
        let script = "[ -n \"$HOME\" ] && echo no luck >&2; exit 3";
        bundle.edit(|config| {
            config["hooks"] = json!({place: [{"path": "/bin/busybox", "args": ["sh", "-c", script]}]});
        });
        bundle.run().refused("exit status: 3: no luck");
    }
}

#[test]
fn a_poststart_hook_that_fails_stops_the_container() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    bundle.edit(|config| config["hooks"] = json!({"poststart": [{"path": "/bin/false"}]}));
    let ran = Ran::from(bundle.run_command().arg("--detach").output().unwrap());
    ran.refused("poststart hook");
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_next_one_runs() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let record = bundle.beside("record");
    bundle.edit(|config| {
        config["hooks"] = json!({"poststop": [
            {"path": "/bin/false"},
            {"path": "/bin/busybox", "args": ["touch", record]},
        ]});
    });
    bundle.run().expect("ran");
    assert!(record.exists());
}

#[test]
fn a_hook_may_take_its_time_up_to_its_limit() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| {
        config["hooks"] = json!({"prestart": [{"path": "/bin/busybox", "args": ["sleep", "0.2"], "timeout": 60}]});
    });
    bundle.run().expect("ran");
}

#[test]
fn a_capability_that_no_kernel_has_is_left_out_with_a_warning() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| config["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_FLY"]));
    let ran = bundle.run();
    assert!(ran.err.contains("CAP_FLY"), "{}", ran.err);
    ran.expect("ran");
}

/// Runs it as root of a host that lacks capabilities, with a hard limit on descriptors.
fn run_with_less(bundle: &Bundle) -> Ran {
    let run = bundle.run_command();
    let mut less = std::process::Command::new("setpriv");
    less.args([
        "--bounding-set",
        "-sys_resource,-net_raw",
        "/bin/sh",
        "-c",
        "ulimit -n 500; exec \"$@\"",
        "sh",
    ]);
    less.arg(run.get_program()).args(run.get_args());
    Ran::from(less.output().unwrap())
}

#[test]
fn a_capability_that_the_host_lacks_is_left_out_with_a_warning() {
    let Some(bundle) = Bundle::new("grep -e CapBnd -e CapEff /proc/self/status | cut -f2") else {
        return;
    };
    let asked = json!(["CAP_KILL", "CAP_NET_RAW"]);
    bundle.edit(|config| {
        config["process"]["capabilities"] = json!({"bounding": asked, "effective": asked, "permitted": asked});
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 500}]);
    });
    let ran = run_with_less(&bundle);
    assert!(
        ran.err
            .contains("ignoring unknown or unavailable capabilities: [CAP_NET_RAW]"),
        "{}",
        ran.err
    );
    ran.expect("0000000000000020\n0000000000000020");
    bundle.run().expect("0000000000002020\n0000000000002020");
}

#[test]
fn a_limit_that_cannot_be_raised_is_told_with_both_values() {
    let Some(bundle) = Bundle::new("ulimit -n") else { return };
    bundle.edit(|config| {
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 600, "hard": 700}]);
    });
    let ran = run_with_less(&bundle);
    for word in ["RLIMIT_NOFILE", "600", "700"] {
        assert!(ran.err.contains(word), "{word}: {}", ran.err);
    }
    ran.refused("RLIMIT_NOFILE");
    bundle.run().expect("600");
}

#[test]
fn a_class_of_service_needs_a_processor_that_has_them() {
    if fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .contains(" - resctrl ")
    {
        println!("skipped: this host hands out classes of service");
        return;
    }
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| config["linux"]["intelRdt"] = json!({"closID": "one"}));
    bundle.run().refused("no resctrl filesystem is mounted");
}

#[test]
fn versions_of_another_specification_are_refused() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    for version in ["2.0.0", "1.0", "new", ""] {
        bundle.edit(|config| config["ociVersion"] = version.into());
        bundle.run().refused("ociVersion");
    }
    bundle.edit(|config| config["ociVersion"] = "1.99.0-rc.1".into());
    bundle.run().expect("ran");
}

#[test]
fn descriptors_are_kept_where_asked_and_no_other_is_seen() {
    let Some(bundle) = Bundle::new("ls /proc/self/fd | wc -l; cat <&3 2>/dev/null") else {
        return;
    };
    let run = |switch: &str| {
        // The shell opens 3 and passes it on.
        let script = format!(
            "exec 3</etc/hostname; exec {} --root {} run {switch} -b {} {}",
            env!("CARGO_BIN_EXE_gantry-runtime"),
            bundle.beside("root").display(),
            bundle.path().display(),
            bundle.id
        );
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let hostname = fs::read_to_string("/etc/hostname").unwrap();
    // `ls` has its directory open beside the three.
    assert_eq!(run(""), "4\n");
    assert_eq!(run("--preserve-fds 1"), format!("5\n{hostname}"));
}

#[test]
fn an_exec_keeps_the_descriptors_it_is_asked_to() {
    let Some(bundle) = Bundle::new("exec sleep 1000") else {
        return;
    };
    bundle.run_detached();
    let exec = |switch: &str| {
        let script = format!(
            "exec 3</etc/hostname; exec {} --root {} exec {switch} {} /bin/sh -c 'cat <&3 2>/dev/null || echo none'",
            env!("CARGO_BIN_EXE_gantry-runtime"),
            bundle.beside("root").display(),
            bundle.id
        );
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(exec(""), "none\n");
    assert_eq!(exec("--preserve-fds 1"), fs::read_to_string("/etc/hostname").unwrap());
}

#[test]
fn a_process_of_a_file_may_name_capabilities_that_no_kernel_has() {
    let Some(bundle) = Bundle::new("exec sleep 1000") else {
        return;
    };
    bundle.run_detached();
    let file = bundle.beside("process.json");
    let capabilities = json!(["CAP_KILL", "CAP_FLY"]);
    let process = json!({
        "cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["/bin/sh", "-c", "grep CapEff /proc/self/status | cut -f2"],
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
    });
    fs::write(&file, process.to_string()).unwrap();
    let exec = || {
        let mut command = bundle.command(&["exec", "--process"]);
        Ran::from(command.arg(&file).arg(&bundle.id).output().unwrap())
    };
    let ran = exec();
    assert!(ran.err.contains("CAP_FLY"), "{}", ran.err);
    ran.expect("0000000000000020");
    fs::write(&file, "{}").unwrap();
    exec().refused("holds no process");
}

#[test]
fn an_empty_home_is_the_users() {
    let Some(bundle) = Bundle::new("echo $HOME") else {
        return;
    };
    fs::create_dir(bundle.rootfs().join("etc")).unwrap();
    fs::write(bundle.rootfs().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    for (variables, home) in [
        (json!(["HOME=/own"]), "/own"),
        (json!(["HOME="]), "/root"),
        (json!(["HOME=/own", "HOME="]), "/root"),
        (json!([]), "/root"),
    ] {
        bundle.edit(|config| config["process"]["env"] = variables);
        bundle.run().expect(home);
    }
}

#[test]
fn a_directory_of_another_user_can_be_the_working_directory() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let home = bundle.rootfs().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(42), Some(42)).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    bundle.edit(|config| {
        config["process"]["cwd"] = "/home".into();
        config["process"]["user"] = json!({"uid": 42, "gid": 42});
    });
    bundle.run_detached();
    // Root without CAP_DAC_OVERRIDE may not enter it itself.
    let ran = Ran::from(bundle.on_it("exec", &["true"]));
    ran.expect("");
    let as_root = bundle.command(&["exec", "--user", "0", &bundle.id, "true"]).output();
    Ran::from(as_root.unwrap()).expect("");
}
