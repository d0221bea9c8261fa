//! The OCI command line as other engines call it.

mod options;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PARENT: &str = "/gantry-test-shim";

struct Bundle {
    dir: tempfile::TempDir,
    id: String,
}

impl Bundle {
    /// `None` where containers cannot be run; the reason is printed.
    fn new(script: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        if !Path::new("/bin/busybox").exists() {
            println!("skipped: needs a static /bin/busybox");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bundle/rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for name in ["sh", "sleep", "echo", "cat"] {
            symlink("busybox", bin.join(name)).unwrap();
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let bundle = Self {
            id: format!("cli-{}-{number}", std::process::id()),
            dir,
        };
        let spec = bundle
            .command(&["spec", "--bundle"])
            .arg(bundle.path())
            .status()
            .unwrap();
        assert!(spec.success());
        bundle.edit(|config| {
            config["process"]["terminal"] = false.into();
            config["process"]["args"] = json!(["/bin/sh", "-c", script]);
            config["linux"]["cgroupsPath"] = format!("{PARENT}/{}", bundle.id).into();
        });
        Some(bundle)
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("bundle")
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(path, config.to_string()).unwrap();
    }

    fn group(&self) -> cgroup::Group {
        cgroup::Hierarchies::discover()
            .unwrap()
            .group(&format!("{PARENT}/{}", self.id))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"));
        command.arg("--root").arg(self.dir.path().join("root")).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn on_it(&self, command: &str, arguments: &[&str]) -> Output {
        self.command(&[command, &self.id]).args(arguments).output().unwrap()
    }

    fn create(&self) -> Output {
        let log = fs::File::create(self.dir.path().join("output")).unwrap();
        self.command(&["create", "--bundle"])
            .arg(self.path())
            .arg("--pid-file")
            .arg(self.dir.path().join("pid"))
            .arg(&self.id)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .output()
            .unwrap()
    }

    fn status(&self) -> String {
        let state: Value = serde_json::from_slice(&self.on_it("state", &[]).stdout).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    fn until(&self, status: &str) {
        let begun = std::time::Instant::now();
        while self.status() != status {
            assert!(begun.elapsed().as_secs() < 20, "it is {}, not {status}", self.status());
            std::thread::yield_now();
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.id]).output();
        // The last one out.
        let _ = cgroup::Hierarchies::discover().map(|hierarchies| hierarchies.group(PARENT).remove_if_empty());
    }
}

#[test]
fn run_gives_output_and_exit_code_and_leaves_nothing() {
    let Some(bundle) = Bundle::new("echo hello; exit 7") else {
        return;
    };
    let output = bundle
        .command(&["run", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(7), &b"hello\n"[..]));
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn a_container_goes_through_its_life() {
    let Some(bundle) = Bundle::new("echo begun; exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert_eq!(bundle.status(), "created");
    let pid = fs::read_to_string(bundle.dir.path().join("pid")).unwrap();
    assert!(Path::new("/proc").join(pid).exists());
    assert_eq!(
        fs::read(bundle.dir.path().join("output")).unwrap(),
        b"",
        "nothing ran yet"
    );
    assert!(!bundle.create().status.success(), "the id is taken");
    assert!(bundle.on_it("start", &[]).status.success());
    bundle.until("running");
    assert!(!bundle.on_it("start", &[]).status.success());
    let exec = bundle.on_it("exec", &["sh", "-c", "echo inside; exit 4"]);
    assert_eq!((exec.status.code(), &exec.stdout[..]), (Some(4), &b"inside\n"[..]));
    assert!(bundle.on_it("pause", &[]).status.success());
    assert_eq!(bundle.status(), "paused");
    assert!(!bundle.on_it("exec", &["echo"]).status.success());
    assert!(bundle.on_it("resume", &[]).status.success());
    assert!(!bundle.on_it("delete", &[]).status.success(), "it runs");
    assert!(bundle.on_it("kill", &["KILL"]).status.success());
    bundle.until("stopped");
    assert!(!bundle.on_it("kill", &[]).status.success());
    assert!(bundle.on_it("delete", &[]).status.success());
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn a_created_container_can_be_deleted_without_starting_it() {
    let Some(bundle) = Bundle::new("echo never") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("delete", &[]).status.success());
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn the_program_that_enters_cannot_be_written_to() {
    let Some(bundle) = Bundle::new("echo") else { return };
    assert!(bundle.create().status.success());
    let pid = fs::read_to_string(bundle.dir.path().join("pid")).unwrap();
    // Init is still ours: it waits for its start.
    // That it runs keeps writers out as well, but only while it does.
    let program = fs::File::open(format!("/proc/{pid}/exe")).unwrap();
    assert!(sys::mount::is_read_only_file_mount(&program) || sys::sealed_file::is_sealed(&program));
}

#[test]
fn limits_are_updated_and_shown() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    let update = bundle
        .command(&["update", "--memory", "67108864", "--pids-limit", "20", &bundle.id])
        .output()
        .unwrap();
    assert!(update.status.success(), "{update:?}");
    let events = bundle.command(&["events", "--stats", &bundle.id]).output().unwrap();
    let begin = format!("{{\"type\":\"stats\",\"id\":\"{}\",\"data\":{{", bundle.id);
    assert!(events.stdout.starts_with(begin.as_bytes()), "{events:?}");
    let stats: Value = serde_json::from_slice(&events.stdout).unwrap();
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 67_108_864);
    assert_eq!(stats["data"]["pids"]["limit"], 20);
}

#[test]
fn hooks_get_the_state_in_order() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let log = bundle.dir.path().join("hooks");
    let hook = |name: &str| {
        let script = format!(
            "echo {name} $(cat | busybox grep -o '\"status\":\"[a-z]*\"') >> {}",
            log.display()
        );
        json!([{"path": "/bin/busybox", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}])
    };
    bundle.edit(|config| {
        config["hooks"] = json!({
            "createContainer": [{"path": "/bin/busybox", "args": ["sh", "-c", format!("echo createContainer $(hostname) >> {}", log.display())], "env": ["PATH=/bin:/usr/bin"]}],
            "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer; cat > /dev/null"], "env": ["PATH=/bin"]}],
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "poststart": hook("poststart"), "poststop": hook("poststop"),
        });
    });
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    assert!(
        bundle
            .command(&["delete", "--force", &bundle.id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        fs::read_to_string(log).unwrap(),
        "prestart \"status\":\"creating\"\ncreateRuntime \"status\":\"creating\"\ncreateContainer gantry\npoststart \"status\":\"running\"\npoststop \"status\":\"stopped\"\n"
    );
}

#[test]
fn a_failing_hook_leaves_no_container() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    bundle.edit(|config| config["hooks"] = json!({ "createRuntime": [{ "path": "/bin/false" }] }));
    assert!(!bundle.create().status.success());
    assert!(!bundle.on_it("state", &[]).status.success());
    assert!(!bundle.group().exists());
}

#[test]
fn a_cgroup_that_is_in_use_is_refused_and_stays() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    let Some(other) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(other.create().status.success());
    bundle.edit(|config| config["linux"]["cgroupsPath"] = other.group().path().into());
    let refused = bundle.create();
    assert!(!refused.status.success());
    assert_eq!(other.status(), "created", "it was not ended with the other");
    assert_eq!(other.group().processes().unwrap().len(), 1);
}

#[test]
fn a_working_directory_that_is_missing_is_made() {
    let Some(bundle) = Bundle::new("pwd") else { return };
    bundle.edit(|config| {
        config["root"]["readonly"] = false.into();
        config["process"]["cwd"] = "/srv/new".into();
    });
    let output = bundle
        .command(&["run", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"/srv/new\n", "{output:?}");
}

#[test]
fn a_bundle_that_denies_all_devices_has_the_usual_ones() {
    let Some(bundle) = Bundle::new("echo > /dev/null && echo written") else {
        return;
    };
    bundle.edit(|config| config["linux"]["resources"]["devices"] = json!([{ "allow": false, "access": "rwm" }]));
    let output = bundle
        .command(&["run", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"written\n", "{output:?}");
}

#[test]
fn ambient_capabilities_that_cannot_be_are_left_out() {
    let Some(bundle) = Bundle::new("grep -q CapAmb:.0000000000000000 /proc/self/status && echo none") else {
        return;
    };
    let few = json!(["CAP_KILL"]);
    bundle.edit(|config| {
        config["process"]["capabilities"] =
            json!({ "bounding": few, "effective": few, "permitted": few, "ambient": few });
    });
    std::os::unix::fs::symlink("busybox", bundle.path().join("rootfs/bin/grep")).unwrap();
    let output = bundle
        .command(&["run", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"none\n", "{output:?}");
}

#[test]
fn ids_are_names_and_never_paths() {
    let Some(bundle) = Bundle::new("echo") else { return };
    for id in ["..", ".", ".hidden", "a/b", "", "a b"] {
        let output = bundle
            .command(&["create", "-b"])
            .arg(bundle.path())
            .arg(id)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{id}");
    }
}

#[test]
fn errors_reach_the_callers_log_as_json() {
    let Some(bundle) = Bundle::new("echo") else { return };
    let log = bundle.dir.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"));
    command
        .arg("--log")
        .arg(&log)
        .args(["--log-format", "json", "--root"])
        .arg(bundle.dir.path());
    assert!(!command.args(["state", "nobody"]).output().unwrap().status.success());
    let line: Value = serde_json::from_slice(&fs::read(log).unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("nobody"));
}

/// The last line of an error, and the exit code.
fn failure(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_bundle_that_changes_after_the_creation_changes_nothing() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    bundle.edit(|config| config["process"]["env"] = json!(["PATH=/bin", "WORD=first"]));
    assert!(bundle.create().status.success());
    bundle.edit(|config| {
        config["process"]["env"] = json!(["PATH=/bin", "WORD=second"]);
        config["root"]["path"] = "elsewhere".into();
    });
    assert!(bundle.on_it("start", &[]).status.success());
    let exec = bundle.on_it("exec", &["sh", "-c", "echo $WORD"]);
    assert_eq!(exec.stdout, b"first\n");
    let state: Value = serde_json::from_slice(&bundle.on_it("state", &[]).stdout).unwrap();
    assert_eq!(state["rootfs"], bundle.path().join("rootfs").to_str().unwrap());
    fs::remove_file(bundle.path().join("config.json")).unwrap();
    assert!(bundle.on_it("kill", &["KILL"]).status.success());
    bundle.until("stopped");
    assert!(bundle.on_it("delete", &[]).status.success());
}

#[test]
fn a_command_that_is_not_there_fails_the_creation_and_leaves_nothing() {
    let Some(bundle) = Bundle::new("") else { return };
    fs::write(bundle.path().join("rootfs/plain"), "").unwrap();
    for (command, code, why) in [
        ("/not/there", 127, "no such file or directory"),
        ("nothing", 127, "executable file not found in $PATH"),
        ("", 127, "it is empty"),
        ("/plain", 126, "permission denied"),
        ("/bin", 126, "permission denied"),
    ] {
        bundle.edit(|config| config["process"]["args"] = json!([command]));
        let created = bundle.create();
        let said = fs::read_to_string(bundle.dir.path().join("output")).unwrap();
        assert_eq!(created.status.code(), Some(code), "{said}");
        assert!(said.contains(&format!("cannot run `{command}`: {why}")), "{said}");
        assert!(!bundle.on_it("state", &[]).status.success());
        assert!(!bundle.group().exists());
    }
}

#[test]
fn engines_find_the_words_they_look_for() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    for command in ["state", "start", "kill", "delete", "pause", "resume", "ps"] {
        let (code, said) = failure(&bundle.on_it(command, &[]));
        assert_eq!(code, Some(1), "{command}");
        assert!(said.contains("does not exist"), "{command}: {said}");
    }
    assert!(
        bundle.on_it("delete", &["--force"]).status.success(),
        "nothing is to do"
    );
    assert!(bundle.create().status.success());
    assert!(!bundle.create().status.success());
    let said = fs::read_to_string(bundle.dir.path().join("output")).unwrap();
    assert!(said.contains("container with given ID already exists"), "{said}");
    assert!(bundle.on_it("kill", &["9"]).status.success());
    bundle.until("stopped");
    let (_, said) = failure(&bundle.on_it("kill", &["KILL"]));
    assert!(said.contains("container not running"), "{said}");
    let (_, said) = failure(&bundle.on_it("start", &[]));
    assert!(said.contains("cannot start a container that has stopped"), "{said}");
    let (_, said) = failure(&bundle.on_it("exec", &["true"]));
    assert!(
        said.contains("cannot exec in a container that is not running"),
        "{said}"
    );
}

#[test]
fn an_exec_that_cannot_be_run_exits_with_255() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    assert!(bundle.create().status.success());
    assert!(bundle.on_it("start", &[]).status.success());
    // Lower codes may be the process's own.
    for (arguments, why) in [
        (&["nothing"][..], "executable file not found in $PATH"),
        (&["/bin"], "permission denied"),
    ] {
        let (found, said) = failure(&bundle.on_it("exec", arguments));
        assert_eq!(found, Some(255), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let exec = bundle
        .command(&["exec", "--cwd", "/not/there", &bundle.id, "echo"])
        .output()
        .unwrap();
    let (code, said) = failure(&exec);
    assert_eq!(code, Some(255), "{said}");
    assert!(
        !bundle.path().join("rootfs/not").exists(),
        "an exec makes no directories"
    );
}

#[test]
fn systemds_cgroups_are_refused_where_systemd_has_none_to_give() {
    if Path::new("/run/systemd/system").exists() {
        println!("skipped: systemd runs this host");
        return;
    }
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let run = || {
        let mut command = bundle.command(&["--systemd-cgroup", "run", "-b"]);
        let output = command.arg(bundle.path()).arg(&bundle.id).output().unwrap();
        assert_eq!(output.stdout, b"");
        failure(&output).1
    };
    // An absolute path is no name of a unit.
    assert!(run().contains("slice:prefix:name"));
    bundle.edit(|config| config["linux"]["cgroupsPath"] = "gantry.slice:test:one".into());
    let said = run();
    assert!(
        said.contains("systemd does not run this host") && said.contains("cgroupfs"),
        "{said}"
    );
    assert!(!bundle.on_it("state", &[]).status.success());
}

#[test]
fn sizes_may_have_units_and_zero_is_no_limit() {
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    bundle.edit(|config| {
        config["linux"]["resources"] = json!({
            "memory": {"limit": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": ""}, "blockIO": {"weight": 0},
        });
    });
    assert!(bundle.create().status.success());
    let update = |arguments: &[&str]| {
        let output = bundle
            .command(&["update"])
            .args(arguments)
            .arg(&bundle.id)
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(update(&["--memory", "64m", "--memory-swap=-1"]));
    assert!(!update(&["--memory", "much"]));
    assert!(!update(&["--cpu-idle", "3"]));
    assert!(!update(&["--cpu-idle=-1"]));
    assert!(!update(&["--l3-cache-schema", "L3:0=1"]), "it has no class of service");
    let limits = bundle.group().read_limits().unwrap();
    assert_eq!(
        limits.memory.limit,
        Some(model::container::limits::Ceiling::At(64 << 20))
    );
}

#[test]
fn a_container_that_may_have_no_processes_has_one() {
    let Some(bundle) = Bundle::new("echo one; echo $(echo two) || echo three") else {
        return;
    };
    bundle.edit(|config| config["linux"]["resources"] = json!({"pids": {"limit": 0}}));
    let mut command = bundle.command(&["run", "-b"]);
    let output = command.arg(bundle.path()).arg(&bundle.id).output().unwrap();
    assert!(output.stdout.starts_with(b"one\n"), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("two"), "{output:?}");
}

#[test]
fn what_this_runtime_can_do_is_listed_by_the_names_of_the_specification() {
    let output = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"))
        .arg("features")
        .output()
        .unwrap();
    let features: Value = serde_json::from_slice(&output.stdout).unwrap();
    let has = |place: &str, word: &str| {
        let list = features.pointer(place).and_then(Value::as_array).unwrap();
        assert!(list.iter().any(|item| item == word), "{place}: {list:?}");
    };
    has("/mountOptions", "rro");
    has("/linux/namespaces", "time");
    has("/linux/seccomp/actions", "SCMP_ACT_NOTIFY");
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
    assert_eq!(features["linux"]["cgroup"]["rdma"], true);
    assert_eq!(features["linux"]["netDevices"]["enabled"], true);
    assert_eq!(features["linux"]["intelRdt"]["schemata"], true);
    assert_eq!(features["ociVersionMax"], "1.3.0");
}

#[test]
fn a_specification_for_ordinary_users_runs() {
    let Some(bundle) = Bundle::new("echo never") else {
        return;
    };
    fs::remove_file(bundle.path().join("config.json")).unwrap();
    let spec = bundle
        .command(&["spec", "--rootless", "--bundle"])
        .arg(bundle.path())
        .output()
        .unwrap();
    assert!(spec.status.success(), "{spec:?}");
    bundle.edit(|config| {
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["/bin/sh", "-c", "cat /proc/self/uid_map | tr -s ' '"]);
        config["linux"]["cgroupsPath"] = format!("{PARENT}/{}", bundle.id).into();
    });
    let output = bundle
        .command(&["run", "-b"])
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b" 0 0 1\n", "{output:?}");
}

#[test]
fn a_checkpoint_says_what_it_would_need() {
    for command in ["checkpoint", "restore"] {
        let output = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"))
            .args([command, "web"])
            .output()
            .unwrap();
        assert!(
            failure(&output).1.contains("feature unavailable: CRIU >= 4.1 needed"),
            "{output:?}"
        );
    }
}
