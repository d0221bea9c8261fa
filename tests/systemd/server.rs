//! The server as a service.

use crate::{TREE, is_systemds, output, read};
use harness::{Docker, Image};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A server that systemd started, and its directory.
struct Service {
    unit: String,
    dir: tempfile::TempDir,
}

impl Service {
    fn start(name: &str, parent: &str) -> Self {
        let service = Self {
            unit: format!("gantry-{name}-{}.service", std::process::id()),
            dir: tempfile::tempdir().unwrap(),
        };
        let below = |name: &str| service.dir.path().join(name).display().to_string();
        let parent = parent.replace("UNIT", &service.unit);
        let (data, run) = (below("data"), below("run"));
        // As docs/guides/gantry.service has it.
        output(
            "systemd-run",
            &[
                "--quiet",
                "--unit",
                &service.unit,
                "-p",
                "Type=notify",
                "-p",
                "KillMode=process",
                "-p",
                "Delegate=yes",
                "-p",
                "TasksMax=infinity",
                env!("CARGO_BIN_EXE_gantry"),
                "serve",
                "--data-dir",
                &data,
                "--run-dir",
                &run,
                "--listen",
                "127.0.0.1:0",
                "--cgroup-parent",
                &parent,
                "--subnet",
                "10.213.7.0/24",
            ],
        );
        service
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("run/docker.sock")
    }

    /// A container with a limit on memory; its id.
    async fn run(&self) -> String {
        let docker = Docker::new(&self.socket());
        docker.load(Image::busybox().archive("busybox:latest")).await;
        let asked = json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"],
            "HostConfig": {"Memory": 64 << 20, "NetworkMode": "none"},
        });
        docker.run("web", &asked).await
    }

    async fn remove(&self) {
        let (status, why) = Docker::new(&self.socket())
            .ask(Method::DELETE, "/containers/web?force=true", None)
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("systemctl").args(["stop", &self.unit]).output();
    }
}

/// Every group that is not in `ours`, with what it hands down.
fn others(ours: &str) -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, ours: &Path, into: &mut BTreeMap<PathBuf, String>) {
        if dir == ours {
            return;
        }
        into.insert(dir.to_owned(), read(dir.join("cgroup.subtree_control")));
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), ours, into);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(Path::new(TREE), &Path::new(TREE).join(ours), &mut all);
    // Those that systemd itself hands its own controllers down in, as it likes.
    all.retain(|dir, _| {
        !dir.components()
            .any(|part| part.as_os_str().to_string_lossy().contains("user"))
    });
    all
}

/// In this order: the second hands controllers down from the top.
#[tokio::test]
async fn a_server_stays_in_the_part_it_was_given_and_is_left_alone_beside_the_slices() {
    if !is_systemds() {
        return;
    }
    // Nothing else begins meanwhile.
    let _ = Command::new("systemctl").args(["is-system-running", "--wait"]).output();
    stays_inside().await;
    is_left_alone_beside_the_slices().await;
}

async fn stays_inside() {
    let service = Service::start("inside", "/system.slice/UNIT/containers");
    let unit = format!("system.slice/{}", service.unit);
    let before = others(&unit);
    let id = service.run().await;
    let group = Path::new(TREE).join(&unit).join("containers").join(&id);
    assert_eq!(read(group.join("memory.max")), (64 << 20).to_string());
    assert_eq!(others(&unit), before);
    // Not even what systemd knows nothing of is handed down above.
    assert!(!read(Path::new(TREE).join("cgroup.subtree_control")).contains("rdma"));
    output("systemctl", &["daemon-reload"]);
    assert_eq!(read(group.join("memory.max")), (64 << 20).to_string());
    service.remove().await;
    assert!(!group.exists());
}

async fn is_left_alone_beside_the_slices() {
    let parent = format!("/gantry-beside-{}", std::process::id());
    let service = Service::start("beside", &parent);
    let id = service.run().await;
    let group = Path::new(TREE).join(parent.trim_start_matches('/')).join(&id);
    output("systemctl", &["daemon-reload"]);
    assert_eq!(read(group.join("memory.max")), (64 << 20).to_string());
    // The service ends, and the container does not.
    let pid = read(group.join("cgroup.procs"));
    assert!(!pid.is_empty());
    output("systemctl", &["restart", &service.unit]);
    assert_eq!(read(group.join("cgroup.procs")), pid);
    let container = Docker::new(&service.socket()).inspect("web").await;
    assert_eq!(container["State"]["Running"], true);
    service.remove().await;
    drop(service);
    let parent = Path::new(TREE).join(parent.trim_start_matches('/'));
    let empty = || {
        let inside = std::fs::read_dir(&parent).into_iter().flatten().flatten();
        for group in inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let _ = std::fs::remove_dir(group.path());
        }
        std::fs::remove_dir(&parent).ok()
    };
    assert!(
        harness::wait_until(LIMIT, empty).is_some(),
        "something is left in {}",
        parent.display()
    );
}
