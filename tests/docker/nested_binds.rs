//! What is mounted on the host below the source of a bind.

use harness::{Docker, Host, Image};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of the host with a tmpfs in it, until it is dropped.
struct Nested(PathBuf);

impl Nested {
    fn mount(dir: &Path) -> Self {
        let sub = dir.join("sub");
        std::fs::create_dir_all(&sub).expect("a writable folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "nested"]).arg(&sub).status();
        assert!(mounted.expect("mount(8)").success());
        std::fs::write(sub.join("there"), "").expect("a writable folder");
        Self(sub)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs a command in `/x`, and gives the last line of its output.
async fn output(docker: &Docker, name: &str, host: Value, line: &str) -> String {
    let body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", line], "HostConfig": host, "Tty": true });
    docker.run(name, &body).await;
    docker.until(name, |seen| seen["State"]["Status"] == "exited").await;
    let text = docker.text(&format!("/containers/{name}/logs?stdout=1&stderr=1")).await;
    text.trim().to_owned()
}

const TOUCH: &str = "touch /x/sub/f 2>/dev/null && echo written || echo kept; ls /x/sub";

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_bind_is_read_only_below_and_asked_otherwise_is_not() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    let dir = host.dir().join("nested");
    let nested = Nested::mount(&dir);
    let bind = |options: Value| json!({ "Mounts": [{ "Type": "bind", "Source": dir, "Target": "/x", "ReadOnly": true, "BindOptions": options }] });
    for (name, config, wanted) in [
        (
            "short",
            json!({ "Binds": [format!("{}:/x:ro", dir.display())] }),
            "kept\r\nthere",
        ),
        ("long", bind(json!({})), "kept\r\nthere"),
        (
            "forced",
            bind(json!({ "ReadOnlyForceRecursive": true })),
            "kept\r\nthere",
        ),
        ("without", bind(json!({ "NonRecursive": true })), "kept"),
        (
            "writable",
            bind(json!({ "ReadOnlyNonRecursive": true })),
            "written\r\nf  there",
        ),
    ] {
        let seen = output(&docker, name, config, TOUCH).await;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&seen), words(wanted), "{name}: {seen}");
        assert_eq!(nested.0.join("f").exists(), name == "writable", "{name}");
    }
    let (status, problem) = docker
        .ask(
            reqwest::Method::POST,
            "/containers/create",
            Some(&json!({ "Image": "busybox", "HostConfig": bind(json!({ "ReadOnlyNonRecursive": true, "ReadOnlyForceRecursive": true })) })),
        )
        .await;
    assert_eq!(status.as_u16(), 400, "{problem}");
}
