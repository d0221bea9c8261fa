//! The disk of the data directory is full: containers go on, lines that are lost are
//! counted, ends are told once they can be written down, and nothing new half begins.

use crate::{has_mark, line, load_image, mark};
use harness::{Host, Options, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A file system of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()));
        Self(dir)
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }

    /// Until not a byte goes in any more.
    fn fill(&self) {
        use std::io::Write as _;
        let ballast = fs::File::options().append(true).create(true).open(self.ballast());
        let mut file = ballast.expect("a writable disk");
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn lives(pid: &Value) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_full_disk_loses_lines_but_no_end() {
    if !harness::can_run_containers() {
        return;
    }
    let disk = Disk::mount();
    let options = Options {
        data_dir: Some(disk.0.path().join("data")),
        ..Options::default()
    };
    // Dropped before the disk it lies on.
    let mut host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    load_image(&host).await;
    let docker = host.docker();
    let words = "while [ ! -e /marks/write ]; do sleep 0.05; done; seq 1 50000; : > /marks/written
        while [ ! -e /marks/go ]; do sleep 0.05; done; exit 5";
    docker.run("web", &line(&host, words)).await;
    let pid = docker.inspect("web").await["State"]["Pid"].clone();
    disk.fill();
    mark(&host, "write");
    let written = wait_until(LIMIT, || has_mark(&host, "written").then_some(()));
    assert!(written.is_some(), "a full disk stops nobody");
    // Nothing new: it is said why, and nothing is there afterwards.
    let asked = line(&host, "true");
    let (status, why) = docker
        .ask(Method::POST, "/containers/create?name=new", Some(&asked))
        .await;
    assert!(status.is_client_error() || status.is_server_error(), "{why}");
    let (_, list) = docker.ask(Method::GET, "/containers/json?all=1", None).await;
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    mark(&host, "go");
    let gone = wait_until(LIMIT, || (!lives(&pid)).then_some(()));
    assert!(gone.is_some(), "it has ended");
    // The shim's record had its block on the disk all along, so the end is known for good.
    let ended = docker.until("web", |it| it["State"]["Running"] == false).await;
    assert_eq!(ended["State"]["ExitCode"], 5);
    host.kill();
    host.start_again();
    let docker = host.docker();
    assert_eq!(docker.inspect("web").await["State"]["ExitCode"], 5);
    disk.empty();
    let text = host.api().log("web").await;
    let missing: u64 = text
        .lines()
        .filter_map(|line| {
            line.strip_suffix(" lines could not be written and are missing here")?
                .parse::<u64>()
                .ok()
        })
        .sum();
    let kept = text.lines().filter(|line| line.parse::<u64>().is_ok()).count() as u64;
    assert_eq!(missing + kept, 50_000);
    assert!(missing > 0);
    // All is as ever.
    docker.run("new", &line(&host, "exit 4")).await;
    docker.until("new", |it| it["State"]["ExitCode"] == 4).await;
}

/// What people do when a disk is full.
#[tokio::test]
async fn on_a_full_disk_containers_can_be_ended_and_people_can_sign_in() {
    if !harness::can_run_containers() {
        return;
    }
    let disk = Disk::mount();
    let options = Options {
        data_dir: Some(disk.0.path().join("data")),
        ..Options::default()
    };
    let mut host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    load_image(&host).await;
    let docker = host.docker();
    let names = ["stop", "kill", "remove", "unpause", "paused", "pause", "commit", "late"];
    for name in names {
        docker
            .run(name, &line(&host, "trap 'exit 0' TERM; while :; do sleep 0.05; done"))
            .await;
    }
    for name in ["unpause", "paused"] {
        assert_eq!(
            docker.post(&format!("/containers/{name}/pause")).await.0,
            StatusCode::NO_CONTENT
        );
    }
    // Once with the space that is kept for this, and once when something has taken that as well.
    for name in ["stop", "late"] {
        disk.fill();
        let (status, why) = docker.post(&format!("/containers/{name}/stop?t=20")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{name}: {why}");
        assert_eq!(docker.inspect(name).await["State"]["Running"], false);
    }
    disk.fill();
    for (method, path) in [
        (Method::POST, "/containers/kill/kill"),
        (Method::POST, "/containers/unpause/unpause"),
        (Method::DELETE, "/containers/remove?force=1"),
        (Method::DELETE, "/containers/stop"),
    ] {
        disk.fill();
        let (status, why) = docker.ask(method, path, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}: {why}");
    }
    docker.until("kill", |it| it["State"]["Running"] == false).await;
    assert_eq!(docker.inspect("unpause").await["State"]["Status"], "running");
    for name in ["remove", "stop"] {
        let (status, _) = docker.ask(Method::GET, &format!("/containers/{name}/json"), None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
    disk.fill();
    // What cannot be recorded is not done: it is called running, and it runs.
    let (paused, _) = docker.post("/containers/pause/pause").await;
    let state = docker.inspect("pause").await["State"]["Status"].clone();
    assert_eq!(
        state,
        if paused == StatusCode::NO_CONTENT {
            "paused"
        } else {
            "running"
        }
    );
    let (committed, _) = docker
        .ask(Method::POST, "/commit?container=commit&repo=full", Some(&json!({})))
        .await;
    assert_ne!(committed, StatusCode::CREATED);
    assert_eq!(docker.inspect("commit").await["State"]["Status"], "running");
    for name in ["pause", "commit"] {
        let running = docker.inspect(name).await["State"]["Status"] == "running";
        let id = docker.inspect(name).await["Id"].as_str().expect("an id").to_owned();
        for (file, frozen) in [("freezer.state", "FROZEN"), ("cgroup.freeze", "1")] {
            let state = host.cgroup_file(&id, &[file]);
            assert!(!running || state.as_deref() != Some(frozen), "{name} is frozen");
        }
    }
    let signed_in = reqwest::Client::new()
        .post(format!("{}/api/v1/session", host.url()))
        .json(&json!({ "username": harness::USER, "password": harness::PASSWORD }))
        .send()
        .await
        .expect("an answer");
    assert!(signed_in.status().is_success(), "{}", signed_in.status());
    let cookie = signed_in.headers()["set-cookie"].to_str().expect("text").to_owned();
    let session = reqwest::Client::new()
        .get(format!("{}/api/v1/session", host.url()))
        .header("cookie", cookie.split(';').next().unwrap_or_default())
        .send()
        .await
        .expect("an answer");
    assert_eq!(session.status(), StatusCode::OK);
    // Nothing is lost by a server that dies on the full disk, and it comes back on it.
    for _ in 0..4 {
        disk.fill();
        host.kill();
        host.start_again();
    }
    let docker = host.docker();
    assert_eq!(docker.inspect("late").await["State"]["Running"], false);
    assert_eq!(docker.inspect("commit").await["State"]["Status"], "running");
    assert_eq!(docker.inspect("paused").await["State"]["Status"], "paused");
    disk.empty();
    host.stop();
    host.start_again();
    let docker = host.docker();
    docker.run("new", &line(&host, "exit 4")).await;
    docker.until("new", |it| it["State"]["ExitCode"] == 4).await;
}
