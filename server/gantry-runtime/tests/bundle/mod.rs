//! A bundle in a directory of its own, run by the real program.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PARENT: &str = "/gantry-test-bundles";

pub(crate) struct Bundle {
    dir: tempfile::TempDir,
    pub(crate) id: String,
}

impl Bundle {
    /// One that runs `script` with busybox; `None` where containers cannot be run, and
    /// the reason is printed.
    pub(crate) fn new(script: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        if !Path::new("/bin/busybox").exists() {
            println!("skipped: needs a static /bin/busybox");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let bundle = Self {
            id: format!("bundle-{}-{number}", std::process::id()),
            dir: tempfile::tempdir().unwrap(),
        };
        let bin = bundle.rootfs().join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        let listed = Command::new("/bin/busybox").arg("--list").output().unwrap().stdout;
        for name in String::from_utf8(listed)
            .unwrap()
            .lines()
            .filter(|name| *name != "busybox")
        {
            symlink("busybox", bin.join(name)).unwrap();
        }
        let spec = bundle
            .command(&["spec", "--bundle"])
            .arg(bundle.path())
            .output()
            .unwrap();
        assert!(spec.status.success(), "{spec:?}");
        bundle.edit(|config| {
            config["process"]["terminal"] = false.into();
            config["process"]["args"] = json!(["/bin/sh", "-c", script]);
            config["root"]["readonly"] = false.into();
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "cgroup");
            namespaces.push(json!({"type": "cgroup"}));
            config["linux"]["cgroupsPath"] = format!("{PARENT}/{}", bundle.id).into();
        });
        Some(bundle)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// Beside the bundle, for files of the host.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(path, config.to_string()).unwrap();
    }

    /// Adds to the lists of the configuration.
    pub(crate) fn mount(&self, mount: Value) {
        self.edit(|config| config["mounts"].as_array_mut().unwrap().push(mount));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"));
        command.arg("--root").arg(self.dir.path().join("root")).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn on_it(&self, command: &str, arguments: &[&str]) -> Output {
        self.command(&[command, &self.id]).args(arguments).output().unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Ran {
        Ran::from(self.run_command().output().unwrap())
    }

    pub(crate) fn run_command(&self) -> Command {
        let mut command = self.command(&["run", "-b"]);
        command.arg(self.path()).arg(&self.id);
        command
    }

    /// Runs it in the background; its output goes to a file beside it.
    pub(crate) fn run_detached(&self) -> Output {
        let log = fs::File::create(self.beside("output")).unwrap();
        let mut command = self.command(&["run", "-d", "-b"]);
        command.arg(self.path()).arg(&self.id);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", self.output());
        output
    }

    /// Creates it; what it and its creation say goes to a file beside it.
    pub(crate) fn create(&self) -> Output {
        let log = fs::File::create(self.beside("output")).unwrap();
        let mut command = self.command(&["create", "-b"]);
        command.arg(self.path()).arg(&self.id);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.output().unwrap()
    }

    pub(crate) fn status(&self) -> String {
        let state: Value = serde_json::from_slice(&self.on_it("state", &[]).stdout).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.beside("output")).unwrap_or_default()
    }

    pub(crate) fn exec(&self, script: &str) -> Ran {
        Ran::from(self.on_it("exec", &["/bin/sh", "-c", script]))
    }

    pub(crate) fn pid(&self) -> i32 {
        let state: Value = serde_json::from_slice(&self.on_it("state", &[]).stdout).unwrap();
        i32::try_from(state["pid"].as_i64().unwrap()).unwrap()
    }

    pub(crate) fn until(&self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !reached(self) {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "never: {what}; {}",
                self.output()
            );
            std::thread::yield_now();
        }
    }

    /// Makes its files those of another user.
    pub(crate) fn give_rootfs_to(&self, user: u32) {
        give(&self.rootfs(), user);
    }
}

fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.id]).output();
        // Only the last of the tests that use the parent succeeds.
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let roots = hierarchies
            .map(|entry| entry.path())
            .chain([PathBuf::from("/sys/fs/cgroup")]);
        for root in roots {
            let _ = fs::remove_dir(root.join(PARENT.trim_start_matches('/')));
        }
    }
}

/// How a container ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, out: &str) {
        assert_eq!((self.code, self.out.trim()), (Some(0), out), "{}", self.err);
    }

    /// Not run at all, with these words among those that say why.
    #[track_caller]
    pub(crate) fn refused(self, why: &str) {
        assert_ne!(self.code, Some(0), "it ran: {}", self.out);
        assert!(self.err.contains(why), "`{why}` is not in: {}", self.err);
        assert_eq!(self.out, "", "it ran");
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
