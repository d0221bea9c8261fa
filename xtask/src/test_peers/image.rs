//! An image of busybox, in the form that `docker load`, `podman load` and
//! `ctr images import` all take.

use crate::process;
use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const NAME: &str = "docker.io/library/busybox:latest";

/// Makes the archive below `dir`.
pub(super) fn make(dir: &Path) -> Result<PathBuf> {
    let root = dir.join("image-root");
    for folder in ["bin", "etc", "tmp", "root", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("cannot copy /bin/busybox, of busybox-static")?;
    let listed = process::output(Command::new("/bin/busybox").arg("--list")).context("busybox lists what it has")?;
    for name in listed.lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(name))?;
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/tmp:/bin/sh\n",
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\nweb:x:1000:\n")?;
    let content = dir.join("image");
    fs::create_dir_all(&content)?;
    let layer = content.join("layer.tar");
    process::run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&layer).arg("."))?;
    let digest = Sha256::digest(fs::read(&layer)?);
    let mut name = String::from("sha256:");
    for byte in digest {
        write!(name, "{byte:02x}")?;
    }
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [name]},
    });
    fs::write(content.join("config.json"), config.to_string())?;
    let manifest = json!([{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]);
    fs::write(content.join("manifest.json"), manifest.to_string())?;
    let archive = dir.join("image.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(&content).arg("-cf").arg(&archive);
    process::run(tar.args(["manifest.json", "config.json", "layer.tar"]))?;
    Ok(archive)
}
