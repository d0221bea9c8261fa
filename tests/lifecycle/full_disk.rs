//! The disk of the data directory is full: containers go on, lines that are lost are
//! counted, ends are told once they can be written down, and nothing new half begins.

use crate::{has_mark, line, load_image, mark};
use harness::{Host, Options, wait_until};
use reqwest::Method;
use serde_json::Value;
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
        let mut file = fs::File::create(self.ballast()).expect("a writable disk");
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
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
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
    // Nobody is told of an end that could be forgotten.
    assert_eq!(docker.inspect("web").await["State"]["Running"], true);
    disk.empty();
    let ended = docker.until("web", |it| it["State"]["Running"] == false).await;
    assert_eq!(ended["State"]["ExitCode"], 5);
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
