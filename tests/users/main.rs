//! Whose ids containers and servers have on the host: user namespaces of containers,
//! whole systems in them, and servers of ordinary users.

mod debian;
mod namespaces;
mod rootless;
mod systems;

use harness::{Api, Docker, Host, Image, Options, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::create::NewContainer;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A server with further switches and an image `busybox`; `None` where containers cannot
/// run.
async fn host(switches: &[&str]) -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let options = Options {
        switches: switches.iter().map(|word| (*word).to_owned()).collect(),
        ..Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let api = host.api();
    load(&api, "busybox:latest", &Image::busybox()).await;
    Some((host, api))
}

async fn load(api: &Api, name: &str, image: &Image) {
    let task = api
        .upload("/images/load", image.archive(name))
        .await
        .expect("the archive is taken");
    assert_eq!(task.state, shared::task::TaskState::Done, "{task:?}");
}

/// A container that runs a line in a shell, started.
fn started(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// Runs a line in a container as `user` and waits for its end; the exit code.
async fn exec(docker: &Docker, container: &str, user: &str, line: &str) -> i64 {
    let asked = json!({ "Cmd": ["sh", "-c", line], "User": user });
    let (status, made) = docker
        .ask(Method::POST, &format!("/containers/{container}/exec"), Some(&asked))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["Id"].as_str().expect("an id").to_owned();
    let (status, why) = docker
        .ask(
            Method::POST,
            &format!("/exec/{id}/start"),
            Some(&json!({ "Detach": true })),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{why}");
    for _ in 0..1200 {
        let (_, exec) = docker.ask(Method::GET, &format!("/exec/{id}/json"), None).await;
        if exec["Running"] == false {
            return exec["ExitCode"].as_i64().expect("a code");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the exec did not end");
}

/// Waits until the log of a container has what is looked for.
async fn wait_for_log(api: &Api, container: &str, wanted: &str) -> String {
    for _ in 0..1200 {
        let log = api.log(container).await;
        if log.contains(wanted) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("`{wanted}` is not in the log:\n{}", api.log(container).await);
}

/// A field of `/proc/PID/status`, such as `Uid`, as the host sees it.
fn status_field(pid: i32, name: &str) -> String {
    let read = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.to_owned())
    };
    wait_until(LIMIT, read).expect("the process is there")
}
