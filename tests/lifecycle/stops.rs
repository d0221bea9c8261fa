//! Signals, patience and force.

use crate::{has_mark, host, line, mark};
use reqwest::StatusCode;
use serde_json::json;
use std::time::{Duration, Instant};

const DEAF: &str = "trap '' TERM; while :; do sleep 0.05; done";

#[tokio::test]
async fn a_deaf_command_is_killed_when_its_own_patience_ends() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let asked = json!({ "Image": "busybox", "Cmd": ["sh", "-c", DEAF], "StopTimeout": 1 });
    docker.run("deaf", &asked).await;
    let begun = Instant::now();
    assert_eq!(docker.post("/containers/deaf/stop").await.0, StatusCode::NO_CONTENT);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(docker.inspect("deaf").await["State"]["ExitCode"], 137);
}

#[tokio::test]
async fn a_stop_sends_the_signal_that_container_or_request_name() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    // busybox knows real-time signals by their numbers: 37 is SIGRTMIN+3.
    let traps = "trap 'exit 41' 37; trap 'exit 42' USR1; trap 'exit 43' TERM; : > /marks/$HOSTNAME; while :; do sleep 0.05; done";
    for (name, own, query, code) in [
        ("own", Some("SIGRTMIN+3"), "", 41),
        ("asked", Some("SIGRTMIN+3"), "?signal=SIGUSR1", 42),
        ("number", Some("10"), "", 42),
        ("usual", None, "", 43),
    ] {
        let mut asked = line(&host, traps);
        asked["Hostname"] = name.into();
        if let Some(own) = own {
            asked["StopSignal"] = own.into();
        }
        docker.run(name, &asked).await;
        docker.until(name, |_| has_mark(&host, name)).await;
        let (status, why) = docker.post(&format!("/containers/{name}/stop{query}")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
        assert_eq!(docker.inspect(name).await["State"]["ExitCode"], code, "{name}");
    }
    let (status, _) = docker.post("/containers/own/stop?signal=SIGNOTHING").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn patience_is_without_end_where_asked_and_none_at_zero() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    // Counts the moments it lives on after the signal; ends when told to.
    let slow = "trap 'n=0' TERM; n=x; : > /marks/ready
        while [ ! -e /marks/go ]; do
            [ $n = x ] || { n=$((n+1)); [ $n -lt 60 ] || : > /marks/patient; }
            sleep 0.05
        done; exit 6";
    let mut asked = line(&host, slow);
    asked["StopTimeout"] = 1.into();
    docker.run("slow", &asked).await;
    docker.until("slow", |_| has_mark(&host, "ready")).await;
    let stop = tokio::spawn({
        let docker = docker.clone();
        async move { docker.post("/containers/slow/stop?t=-1").await }
    });
    docker
        .until("slow", |it| {
            assert_eq!(it["State"]["Running"], true);
            has_mark(&host, "patient")
        })
        .await;
    mark(&host, "go");
    assert_eq!(stop.await.expect("an answer").0, StatusCode::NO_CONTENT);
    assert_eq!(docker.inspect("slow").await["State"]["ExitCode"], 6);

    docker.run("deaf", &line(&host, DEAF)).await;
    assert_eq!(docker.post("/containers/deaf/stop?t=0").await.0, StatusCode::NO_CONTENT);
    assert_eq!(docker.inspect("deaf").await["State"]["ExitCode"], 137);
}

#[tokio::test]
async fn a_paused_container_can_be_stopped_and_killed() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let traps = "trap 'exit 9' TERM; : > /marks/$HOSTNAME; while :; do sleep 0.05; done";
    for (name, order, code) in [("stopped", "stop", 9), ("killed", "kill", 137), ("again", "restart", 0)] {
        let mut asked = line(&host, traps);
        asked["Hostname"] = name.into();
        docker.run(name, &asked).await;
        docker.until(name, |_| has_mark(&host, name)).await;
        assert_eq!(
            docker.post(&format!("/containers/{name}/pause")).await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(docker.inspect(name).await["State"]["Status"], "paused");
        let (status, why) = docker.post(&format!("/containers/{name}/{order}")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
        if order == "restart" {
            assert_eq!(docker.inspect(name).await["State"]["Status"], "running");
        } else {
            let ended = docker.until(name, |it| it["State"]["Running"] == false).await;
            assert_eq!(ended["State"]["ExitCode"], code, "{name}");
        }
    }
}

#[tokio::test]
async fn a_small_init_passes_signals_on_and_leaves_no_zombies() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    // Orphans of a child that ended are pid 1's to bury.
    let orphans =
        "trap 'exit 8' TERM; for i in 1 2 3; do (true &) ; done; : > /marks/ready; while :; do sleep 0.05; done";
    let mut asked = line(&host, orphans);
    asked["HostConfig"]["Init"] = true.into();
    let id = docker.run("init", &asked).await;
    docker.until("init", |_| has_mark(&host, "ready")).await;
    let processes: serde_json::Value = host
        .api()
        .get(&format!("/containers/{id}/processes"))
        .await
        .expect("processes");
    let processes = processes["items"].as_array().expect("a list").clone();
    assert!(
        processes.iter().any(|process| process["container_pid"] == 2),
        "{processes:?}"
    );
    assert!(processes.iter().all(|process| process["state"] != "Z"), "{processes:?}");
    assert_eq!(docker.post("/containers/init/stop").await.0, StatusCode::NO_CONTENT);
    assert_eq!(docker.inspect("init").await["State"]["ExitCode"], 8);
}

/// The process that is the parent of a container's first one.
async fn shim_of(docker: &harness::Docker, name: &str) -> u32 {
    let pid = docker.inspect(name).await["State"]["Pid"].clone();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|pid| pid.trim().parse().ok()).expect("a parent")
}

#[tokio::test]
async fn a_stopped_shim_goes_on_when_it_is_needed_and_leaves_no_orphan() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    let ends = "trap 'exit 5' TERM; : > /marks/$HOSTNAME; while :; do sleep 0.05; done";
    let mut shims = Vec::new();
    for name in ["stopped", "removed", "adopted"] {
        let mut asked = line(&host, ends);
        asked["Hostname"] = name.into();
        docker.run(name, &asked).await;
        docker.until(name, |_| has_mark(&host, name)).await;
        let shim = shim_of(&docker, name).await;
        assert!(harness::signal(shim, "STOP"));
        shims.push(shim);
    }
    let (status, why) = docker.post("/containers/stopped/stop").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    assert_eq!(docker.inspect("stopped").await["State"]["ExitCode"], 5);
    let (status, why) = docker
        .ask(reqwest::Method::DELETE, "/containers/removed?force=1", None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    host.kill();
    host.start_again();
    let docker = host.docker();
    assert_eq!(docker.inspect("adopted").await["State"]["Running"], true);
    assert_eq!(docker.post("/containers/adopted/stop").await.0, StatusCode::NO_CONTENT);
    for shim in shims {
        let gone = harness::wait_until(Duration::from_secs(20), || {
            (!std::path::Path::new(&format!("/proc/{shim}/exe")).exists()).then_some(())
        });
        assert!(gone.is_some(), "the shim {shim} stays");
    }
}
