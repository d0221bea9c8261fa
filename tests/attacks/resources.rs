//! Containers that use up what there is: each is held by its own limits, its shim still
//! answers, and its neighbour does not notice. Nothing here depends on how fast the
//! machine is.

use crate::host::{host, started};
use harness::{Api, Host, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::container::Status;
use shared::create::NewContainer;
use shared::limits::Limits;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const MEMORY: u64 = 48 << 20;

fn limited(new: NewContainer, limits: Limits) -> NewContainer {
    NewContainer { limits, ..new }
}

fn memory() -> Limits {
    Limits {
        memory_bytes: Some(Some(MEMORY)),
        memory_and_swap_bytes: Some(Some(MEMORY)),
        ..Limits::default()
    }
}

async fn neighbour(api: &Api) {
    api.create(&started("neighbour", "exec sleep 1000"))
        .await
        .expect("it runs");
}

/// Runs a command in the neighbour, with a terminal, and wants its code to be 0.
async fn neighbour_lives(host: &Host, line: &str) {
    let docker = host.docker();
    let asked = json!({"Cmd": ["sh", "-c", line], "AttachStdout": true, "Tty": true});
    let (status, exec) = docker
        .ask(Method::POST, "/containers/neighbour/exec", Some(&asked))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{exec}");
    let id = exec["Id"].as_str().expect("an id").to_owned();
    let (status, answer) = docker
        .ask(Method::POST, &format!("/exec/{id}/start"), Some(&json!({"Tty": true})))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, inspected) = docker.ask(Method::GET, &format!("/exec/{id}/json"), None).await;
    assert_eq!(inspected["ExitCode"], Value::from(0), "{line}: {inspected}");
}

/// The container is known to run, and can be removed: its shim is well.
async fn shim_answers(api: &Api, name: &str) {
    let status = api.inspect(name).await.container.state.status;
    assert!(matches!(status, Status::Running | Status::Exited), "{status:?}");
    api.act(Method::DELETE, &format!("/containers/{name}?force=true"))
        .await
        .expect("it is removed");
}

async fn said(api: &Api, id: &str, words: &str) -> String {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let log = api.log(id).await;
        if log.contains(words) {
            return log;
        }
        assert!(std::time::Instant::now() < end, "never `{words}` in: {log}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_fork_bomb_is_held_by_its_limit() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    let limits = Limits {
        pids: Some(Some(64)),
        ..Limits::default()
    };
    let bomb = limited(started("bomb", "f() { f | f & }; f; sleep 1000"), limits);
    let id = api.create(&bomb).await.expect("it runs").id;
    let refused = wait_until(PATIENCE, || {
        let count: u64 = host.cgroup_file(&id, &["pids.current"])?.parse().ok()?;
        assert!(count <= 64, "{count} processes");
        let events = host.cgroup_file(&id, &["pids.events"])?;
        events
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
            .filter(|refused: &u64| *refused > 0)
    });
    assert!(refused.is_some(), "no fork was refused");
    neighbour_lives(&host, "true").await;
    shim_answers(&api, "bomb").await;
}

#[tokio::test]
async fn a_memory_bomb_in_a_shared_memory_directory_is_held_by_its_limit() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    // What is written to a tmpfs is memory of the container's.
    let bomb = NewContainer {
        shm_bytes: Some(1 << 30),
        ..limited(
            started("bomb", "head -c 900000000 /dev/zero > /dev/shm/file && echo whole"),
            memory(),
        )
    };
    let id = api.create(&bomb).await.expect("it runs").id;
    api.wait(&id).await;
    assert!(!api.log(&id).await.contains("whole"), "all of it was taken");
    neighbour_lives(&host, "true").await;
    shim_answers(&api, "bomb").await;
}

#[tokio::test]
async fn an_inode_bomb_is_held_by_its_limit() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    // Each empty file costs the kernel about a KiB, which is charged to the container.
    let bomb = limited(started("bomb", "attacker files /dev/shm; echo ended"), memory());
    let id = api.create(&bomb).await.expect("it runs").id;
    api.wait(&id).await;
    let log = api.log(&id).await;
    let count = log
        .split_whitespace()
        .nth(1)
        .and_then(|count| count.trim_end_matches(',').parse::<u64>().ok());
    // Killed before it could tell, or refused.
    assert!(count.is_none_or(|count| count < MEMORY / 256), "{log}");
    neighbour_lives(&host, "touch /dev/shm/file && touch /file").await;
    shim_answers(&api, "bomb").await;
}

#[tokio::test]
async fn a_descriptor_bomb_is_held_by_its_limit() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    let line = "for i in 1 2 3 4 5 6 7 8; do attacker hoard /dev/null & done; wait";
    let bomb = limited(started("bomb", line), memory());
    let id = api.create(&bomb).await.expect("it runs").id;
    // Its own limit, or that on memory, which open files are charged to.
    let end = std::time::Instant::now() + PATIENCE;
    while !api.log(&id).await.contains("Too many open files")
        && api.inspect(&id).await.container.state.status == Status::Running
    {
        assert!(std::time::Instant::now() < end, "{}", api.log(&id).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    neighbour_lives(&host, "true").await;
    shim_answers(&api, "bomb").await;
}

/// The kernel gives out a few thousand terminals in all: one container must not be able to
/// take them from the others.
#[tokio::test]
async fn who_takes_all_terminals_takes_only_its_own() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    let id = api
        .create(&started("bomb", "ulimit -n 1024; exec attacker terminals"))
        .await
        .expect("it runs")
        .id;
    let log = said(&api, &id, "terminals:").await;
    let count: u64 = log
        .split_whitespace()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .expect("a number");
    assert!((100..=1024).contains(&count), "{log}");
    // With a terminal, in a container beside it.
    neighbour_lives(&host, "test -t 1").await;
    shim_answers(&api, "bomb").await;
}

/// A log is as large as its settings let it be, however much is written; the container can
/// still be stopped, and its neighbour's log is written.
#[tokio::test]
async fn a_log_flood_stays_within_its_files() {
    let Some((host, api)) = host().await else { return };
    neighbour(&api).await;
    let asked = json!({
        "Image": "attacker", "Cmd": ["sh", "-c", "yes 'a line that is written again and again without an end'"],
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}},
    });
    let docker = host.docker();
    let id = docker.run("flood", &asked).await;
    let dir = host.data_dir().join("containers").join(&id).join("log");
    let sizes = || -> (u64, u64) {
        let entries = std::fs::read_dir(&dir).expect("a log").filter_map(Result::ok);
        let mut newest = 0;
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            let name = entry.file_name().into_string().unwrap_or_default();
            newest = newest.max(name.split('.').next().and_then(|first| first.parse().ok()).unwrap_or(0));
        }
        (bytes, newest)
    };
    // Some ten megabytes: a number of segments later.
    let flooded = wait_until(PATIENCE, || {
        let (bytes, newest) = sizes();
        assert!(bytes < 4 << 20, "{bytes} bytes of log");
        (newest > 100_000).then_some(())
    });
    assert!(flooded.is_some(), "nothing was written: {:?}", sizes());
    let talker = api.create(&started("talker", "echo heard")).await.expect("it runs").id;
    api.wait(&talker).await;
    assert_eq!(api.log(&talker).await.trim(), "heard");
    neighbour_lives(&host, "true").await;
    shim_answers(&api, "flood").await;
}
