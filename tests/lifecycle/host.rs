//! What a server takes of the host: a subnet that is free, a limit on processes, and nothing
//! once it is gone.

use crate::{host, line};
use harness::Host;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// How a server that does not get ready ends: its code and what it wrote.
fn serve(dir: &Path, switches: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["serve", "--listen", "127.0.0.1:0", "--docker-socket", "none"])
        .arg("--data-dir")
        .arg(dir.join("data"))
        .arg("--run-dir")
        .arg(dir.join("run"))
        .args(["--cgroup-parent", "/gantry-test-overlap"])
        .args(switches)
        .output()
        .expect("the program runs");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[tokio::test]
async fn a_subnet_that_the_host_has_is_refused_with_the_name_of_what_has_it() {
    let Some(other) = host().await else { return };
    let subnet = other.subnet();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let wider = format!("{}/20", subnet.trim_end_matches("/24"));
    for overlapping in [subnet, wider.as_str()] {
        let (code, why) = serve(dir.path(), &["--subnet", overlapping]);
        assert_eq!(code, Some(1), "{why}");
        assert!(why.contains("overlaps") && why.contains("gantry-"), "{why}");
    }
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups are mounted");
    let mut dirs = hierarchies.flatten().map(|entry| entry.path());
    assert!(!dirs.any(|dir| dir.ends_with("gantry-test-overlap") || dir.join("gantry-test-overlap").exists()));
}

#[tokio::test]
async fn a_server_that_ends_with_nothing_running_leaves_the_host_as_it_was() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    docker.run("web", &line(&host, "sleep 600")).await;
    host.stop();
    let with_a_container = host.leftovers();
    assert!(!with_a_container.devices.is_empty() && !with_a_container.rules.is_empty());
    host.start_again();
    let docker = host.docker();
    let (status, why) = docker.ask(Method::DELETE, "/containers/web?force=1", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    host.stop();
    let left = host.leftovers();
    assert_eq!(left, harness::Leftovers::default());
    // All of it is made again.
    host.start_again();
    host.docker().run("web", &line(&host, "sleep 600")).await;
}

#[tokio::test]
async fn a_container_has_a_limit_on_processes_unless_it_asks_for_none() {
    if !harness::can_run_containers() {
        return;
    }
    let options = harness::Options {
        switches: vec!["--pids-limit".to_owned(), "50".to_owned()],
        ..harness::Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    crate::load_image(&host).await;
    let docker = host.docker();
    let limit = |asked: Option<i64>| {
        let mut spec = line(&host, "sleep 600");
        if let Some(asked) = asked {
            spec["HostConfig"]["PidsLimit"] = asked.into();
        }
        spec
    };
    // Clients send 0 where nobody said anything.
    for (name, asked, shown, kernel) in [
        ("silent", None, json!(50), "50"),
        ("zero", Some(0), json!(50), "50"),
        ("own", Some(7), json!(7), "7"),
        ("unlimited", Some(-1), json!(-1), "max"),
    ] {
        let id = docker.run(name, &limit(asked)).await;
        assert_eq!(docker.inspect(name).await["HostConfig"]["PidsLimit"], shown, "{name}");
        assert_eq!(host.cgroup_file(&id, &["pids.max"]).as_deref(), Some(kernel), "{name}");
    }
    let unlimited = json!({ "PidsLimit": -1 });
    let (status, why) = docker
        .ask(Method::POST, "/containers/silent/update", Some(&unlimited))
        .await;
    assert_eq!(status, StatusCode::OK, "{why}");
    let id = docker.inspect("silent").await["Id"].as_str().expect("an id").to_owned();
    assert_eq!(host.cgroup_file(&id, &["pids.max"]).as_deref(), Some("max"));
}

#[tokio::test]
async fn followers_on_the_docker_socket_do_not_take_the_descriptors_of_the_panel() {
    if !harness::can_run_containers() {
        return;
    }
    let limited = ["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"];
    let options = harness::Options {
        through: limited.map(str::to_owned).to_vec(),
        ..harness::Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let mut followers = Vec::new();
    for _ in 0..240 {
        let follower = std::os::unix::net::UnixStream::connect(host.docker_socket());
        let Ok(mut follower) = follower else { break };
        let _ = std::io::Write::write_all(&mut follower, b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
        followers.push(follower);
    }
    let answer = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .expect("a client")
        .get(format!("{}/healthz", host.url()))
        .send()
        .await
        .expect("the panel's server answers");
    assert_eq!(answer.status(), StatusCode::OK);
    drop(followers);
    let (status, _) = host.docker().ask(Method::GET, "/version", None).await;
    assert_eq!(status, StatusCode::OK, "places are given back");
}
