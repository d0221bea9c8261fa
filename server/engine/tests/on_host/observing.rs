//! What can be seen of a running container.

use crate::host::{Host, sh};
use engine::{HealthStatus, NewContainer};
use model::container::health::{HealthCheck, Probe};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_told_with_their_numbers_inside() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("sleep 600 & echo up; wait")).await;
    host.engine.start(&id).await.unwrap();
    host.line(&id, "up").await;
    // The shell's child may not have become the program yet.
    let listed = async {
        loop {
            let processes = host.engine.top(&id).await.unwrap();
            if processes.iter().any(|process| process.command == "sleep 600") {
                return processes;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let processes = tokio::time::timeout(Duration::from_secs(60), listed).await.unwrap();
    assert_eq!(processes[0].container_pid, 1);
    assert_eq!(processes[0].user, "root");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn use_is_sampled_every_second() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("while :; do :; done")).await;
    host.engine.start(&id).await.unwrap();
    let mut rounds = host.engine.stats_rounds();
    let stats = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            rounds.changed().await.unwrap();
            let round = rounds.borrow_and_update().clone();
            if let Some(stats) = round.containers.iter().find(|stats| stats.cpu_percent > 1.0) {
                return stats.clone();
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(stats.container, id);
    assert!(
        stats.memory.used_bytes > 0 && stats.pids >= 1 && stats.network.is_some(),
        "{stats:?}"
    );
    assert!(!host.engine.history(&id).unwrap().is_empty());
    assert_eq!(host.engine.host_stats().running, 1);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_decides_on_health() {
    let Some(host) = Host::open().await else { return };
    let check = HealthCheck {
        test: Probe::Shell("cat /tmp/well".to_owned()),
        interval: Some(Duration::from_millis(50)),
        timeout: None,
        retries: Some(2),
        start_period: None,
        start_interval: None,
    };
    let new = NewContainer {
        health: Some(check),
        ..sh("echo > /tmp/well; read line; rm /tmp/well; exec sleep 600")
    };
    let id = host
        .create(NewContainer {
            stdin_open: true,
            ..new
        })
        .await;
    host.engine.start(&id).await.unwrap();
    let health =
        |status| move |container: &engine::Container| container.health.as_ref().is_some_and(|h| h.status == status);
    host.until(&id, health(HealthStatus::Healthy)).await;
    let options = engine::AttachOptions {
        stdin: true,
        stdout: false,
        stderr: false,
    };
    let mut attached = host
        .engine
        .attach(&id, options)
        .await
        .unwrap()
        .attached()
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut attached, b"\n").await.unwrap();
    host.until(&id, health(HealthStatus::Unhealthy)).await;
    host.close().await;
}
