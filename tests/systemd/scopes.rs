//! `gantry-runtime --systemd-cgroup`.

use crate::{TREE, is_systemds, output, property, read};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

struct Bundle {
    dir: tempfile::TempDir,
    id: String,
}

impl Bundle {
    /// One that sleeps, in a scope below `gantry-test.slice`.
    fn new(name: &str) -> Self {
        let bundle = Self {
            dir: tempfile::tempdir().unwrap(),
            id: format!("{name}-{}", std::process::id()),
        };
        let bin = bundle.path().join("rootfs/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        symlink("busybox", bin.join("sleep")).unwrap();
        output_of(bundle.command(&["spec", "--bundle"]).arg(bundle.path()));
        bundle.edit(|config| {
            config["process"]["terminal"] = false.into();
            config["process"]["args"] = json!(["/bin/sleep", "1000"]);
            config["linux"]["cgroupsPath"] = format!("gantry-test.slice:test:{}", bundle.id).into();
            config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20, "reservation": 32 << 20});
            config["linux"]["resources"]["pids"] = json!({"limit": 50});
            config["linux"]["resources"]["cpu"] =
                json!({"quota": 50_000, "period": 100_000, "shares": 512, "cpus": "0"});
        });
        bundle
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        std::fs::write(path, config.to_string()).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_gantry")).with_file_name("gantry-runtime");
        let mut command = Command::new(program);
        command.arg("--root").arg(self.dir.path().join("root"));
        command.arg("--systemd-cgroup").args(arguments).stdin(Stdio::null());
        command
    }

    fn create(&self) -> Output {
        let mut command = self.command(&["create", "--bundle"]);
        command.arg(self.path()).arg(&self.id);
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir.path().join("said")).unwrap());
        command.output().unwrap()
    }

    fn said(&self) -> String {
        read(self.dir.path().join("said"))
    }

    fn unit(&self) -> String {
        format!("test-{}.scope", self.id)
    }

    fn group(&self) -> PathBuf {
        Path::new(TREE).join("gantry.slice/gantry-test.slice").join(self.unit())
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.id]).output();
    }
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_container_is_in_a_scope_of_its_slice_and_takes_it_along() {
    if !is_systemds() {
        return;
    }
    let bundle = Bundle::new("scope");
    assert!(bundle.create().status.success(), "{}", bundle.said());
    let unit = bundle.unit();
    let group = bundle.group();
    assert_eq!(
        property(&unit, "ControlGroup"),
        group
            .strip_prefix(TREE)
            .unwrap()
            .to_str()
            .map(|path| format!("/{path}"))
            .unwrap()
    );
    assert_eq!(property(&unit, "Slice"), "gantry-test.slice");
    assert_eq!(property(&unit, "Delegate"), "yes");
    let state: Value = serde_json::from_str(&output_of(&mut bundle.command(&["state", &bundle.id]))).unwrap();
    // The one that held the place is gone.
    assert_eq!(read(group.join("cgroup.procs")), state["pid"].to_string());
    let held = |memory: &str| {
        assert_eq!(read(group.join("memory.max")), memory);
        assert_eq!(read(group.join("memory.low")), (32 << 20).to_string());
        assert_eq!(read(group.join("pids.max")), "50");
        assert_eq!(read(group.join("cpu.max")), "50000 100000");
        assert_eq!(read(group.join("cpu.weight")), "59");
        assert_eq!(read(group.join("cpuset.cpus")), "0");
    };
    held(&(64 << 20).to_string());
    // systemd writes what it believes when it is reloaded.
    output("systemctl", &["daemon-reload"]);
    held(&(64 << 20).to_string());
    assert_eq!(property(&unit, "MemoryMax"), (64 << 20).to_string());
    assert_eq!(property(&unit, "TasksMax"), "50");
    assert_eq!(property(&unit, "CPUQuotaPerSecUSec"), "500ms");
    output_of(&mut bundle.command(&["update", "--memory", "48m", &bundle.id]));
    output("systemctl", &["daemon-reload"]);
    held(&(48 << 20).to_string());
    output_of(&mut bundle.command(&["start", &bundle.id]));
    output_of(&mut bundle.command(&["pause", &bundle.id]));
    assert_eq!(read(group.join("cgroup.freeze")), "1");
    output_of(&mut bundle.command(&["resume", &bundle.id]));
    output_of(&mut bundle.command(&["delete", "--force", &bundle.id]));
    assert_eq!(property(&unit, "LoadState"), "not-found");
    assert!(!group.exists());
}

#[test]
fn a_container_that_ends_by_itself_leaves_no_scope() {
    if !is_systemds() {
        return;
    }
    let bundle = Bundle::new("short");
    bundle.edit(|config| config["process"]["args"] = json!(["/bin/busybox", "true"]));
    let run = |bundle: &Bundle| {
        let mut command = bundle.command(&["run", "--bundle"]);
        command.arg(bundle.path()).arg(&bundle.id).output().unwrap()
    };
    // Again and again: a scope of the same name ended just before.
    for _ in 0..5 {
        let ran = run(&bundle);
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(property(&bundle.unit(), "LoadState"), "not-found");
        assert!(!bundle.group().exists());
    }
}

#[test]
fn what_cannot_be_made_leaves_no_scope_and_another_ones_alone() {
    if !is_systemds() {
        return;
    }
    let bundle = Bundle::new("broken");
    bundle.edit(|config| config["linux"]["resources"]["unified"] = json!({"memory.no-such-file": "1"}));
    assert!(!bundle.create().status.success());
    let ended = harness::wait_until(LIMIT, || {
        (property(&bundle.unit(), "LoadState") == "not-found").then_some(())
    });
    assert!(ended.is_some() && !bundle.group().exists(), "{}", bundle.said());
    bundle.edit(|config| drop(config["linux"]["resources"].as_object_mut().unwrap().remove("unified")));
    assert!(bundle.create().status.success(), "{}", bundle.said());
    let pid = read(bundle.group().join("cgroup.procs"));
    let other = Bundle::new("other");
    let path = format!("gantry-test.slice:test:{}", bundle.id);
    other.edit(|config| config["linux"]["cgroupsPath"] = path.into());
    assert!(!other.create().status.success());
    assert!(other.said().contains("StartTransientUnit"), "{}", other.said());
    assert_eq!(read(bundle.group().join("cgroup.procs")), pid, "{}", other.said());
    assert_eq!(property(&bundle.unit(), "ActiveState"), "active");
}
