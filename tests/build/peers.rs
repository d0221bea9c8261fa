//! The same cases, built by buildah: configuration and files must be the same. Only where
//! `GANTRY_BUILDS=peers` asks for it (`cargo xtask test-builds`).

use crate::builder::BASE;
use crate::case::{self, Case, Entry};
use crate::outcome;
use harness::Image;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What buildah 1.28 mounts over for a RUN, and leaves in the layer as empty files.
const MOUNT_POINTS: [&str; 4] = ["etc/hostname", "etc/hosts", "etc/resolv.conf", "run"];

struct Buildah {
    dir: tempfile::TempDir,
}

impl Buildah {
    /// In a mount namespace and with storage of its own.
    fn run(&self, arguments: &[&str]) -> Output {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        Command::new("unshare")
            .args(["--mount", "--", "buildah", "--storage-driver", "vfs"])
            .args(["--root", &path("root"), "--runroot", &path("run")])
            .args(arguments)
            .env("BUILDAH_ISOLATION", "chroot")
            .env("HOME", self.dir.path())
            .output()
            .expect("buildah starts")
    }

    fn must(&self, arguments: &[&str]) -> Output {
        let done = self.run(arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "buildah {arguments:?}: {said}");
        done
    }

    /// Its manifest's configuration and layers.
    fn take(&self, image: &str) -> (Value, Vec<Vec<u8>>) {
        let dir = self.dir.path().join("out");
        let _ = fs::remove_dir_all(&dir);
        self.must(&["push", "--format", "v2s2", image, &format!("dir:{}", dir.display())]);
        let manifest: Value =
            serde_json::from_slice(&fs::read(dir.join("manifest.json")).expect("a manifest")).expect("JSON");
        let blob = |digest: &Value| {
            let hex = digest
                .as_str()
                .and_then(|text| text.strip_prefix("sha256:"))
                .expect("a digest");
            fs::read(dir.join(hex)).expect("a blob")
        };
        let config = serde_json::from_slice(&blob(&manifest["config"]["digest"])).expect("JSON");
        let layers = manifest["layers"].as_array().expect("layers").iter();
        (config, layers.map(|layer| blob(&layer["digest"])).collect())
    }

    fn build(&self, case: &Case, base: &outcome::Tree) -> Result<Vec<String>, String> {
        let context = self.dir.path().join("context");
        let _ = fs::remove_dir_all(&context);
        lay_out(case, &context);
        let mut arguments: Vec<String> = [
            "bud",
            "--format",
            "docker",
            "--pull-never",
            "--layers=false",
            "-t",
            "case",
        ]
        .map(str::to_owned)
        .to_vec();
        for (name, value) in &case.args {
            arguments.push(format!("--build-arg={name}={value}"));
        }
        for (id, value) in &case.secrets {
            let path = self.dir.path().join(format!("secret-{id}"));
            fs::write(&path, value).expect("a file");
            arguments.push(format!("--secret=id={id},src={}", path.display()));
        }
        if let Some(target) = &case.target {
            arguments.push(format!("--target={target}"));
        }
        arguments.push(context.display().to_string());
        let done = self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        let (config, layers) = self.take("case");
        let after = outcome::tree(&layers);
        let nothing = outcome::Tree::new();
        let before = if after.contains_key("bin/busybox") {
            base
        } else {
            &nothing
        };
        let mut lines = outcome::config(&config);
        let left = |line: &str| {
            let name = line.strip_prefix("+ ").and_then(|rest| rest.split(' ').next());
            name.is_some_and(|name| MOUNT_POINTS.contains(&name)) && !case.gives.iter().any(|wanted| wanted == line)
        };
        let changes = outcome::difference(before, &after);
        lines.extend(changes.into_iter().filter(|line| !left(line)));
        self.run(&["rmi", "case"]);
        Ok(lines)
    }
}

fn lay_out(case: &Case, dir: &Path) {
    let make = |path: &str| -> PathBuf {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a folder");
        path
    };
    fs::create_dir_all(dir).expect("a folder");
    for entry in &case.files {
        match entry {
            Entry::File { path, mode, bytes } => {
                let path = make(path);
                fs::write(&path, bytes).expect("a file");
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("its mode");
            }
            Entry::Dir { path, mode } => {
                let path = make(path);
                fs::create_dir_all(&path).expect("a folder");
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("its mode");
            }
            Entry::Link { path, target } => symlink(target, make(path)).expect("a link"),
        }
    }
    fs::write(make("Dockerfile"), &case.dockerfile).expect("a file");
}

#[test]
fn buildah_makes_the_same_of_every_case_it_can_read() {
    if !std::env::var("GANTRY_BUILDS").is_ok_and(|word| word == "peers") {
        println!("skipped: only `cargo xtask test-builds` asks buildah");
        return;
    }
    let buildah = Buildah {
        dir: tempfile::tempdir().expect("a temporary directory"),
    };
    let archive = buildah.dir.path().join("base.tar");
    fs::write(&archive, Image::busybox().archive(BASE)).expect("a file");
    buildah.must(&["pull", &format!("docker-archive:{}", archive.display())]);
    let base = outcome::tree(&buildah.take(BASE).1);
    let (mut same, mut alone, mut failing, mut wrong) = (0, 0, 0, Vec::new());
    for case in case::all().iter().flat_map(|group| &group.cases) {
        if case.alone.is_some() {
            alone += 1;
            continue;
        }
        match (buildah.build(case, &base), &case.fails) {
            (Err(_), Some(_)) => failing += 1,
            (Ok(lines), None) if lines == case.gives => same += 1,
            (Ok(lines), None) => {
                let missing = case
                    .gives
                    .iter()
                    .filter(|line| !lines.contains(line))
                    .map(|line| format!("  ours    {line}"));
                let more = lines
                    .iter()
                    .filter(|line| !case.gives.contains(line))
                    .map(|line| format!("  buildah {line}"));
                let order = "  (in another order)".to_owned();
                let all: Vec<String> = missing.chain(more).collect();
                wrong.push(format!(
                    "{}:\n{}",
                    case.name,
                    if all.is_empty() { order } else { all.join("\n") }
                ));
            }
            (Err(error), None) => wrong.push(format!("{}: buildah failed: {}", case.name, error.trim())),
            (Ok(_), Some(_)) => wrong.push(format!("{}: buildah builds it", case.name)),
        }
    }
    println!(
        "{same} the same, {failing} refused by both, {alone} not asked with a reason, {} different",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
