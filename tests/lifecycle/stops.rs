//! Signals, patience and force.

use crate::host;
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
    let taken = begun.elapsed();
    assert!(
        taken >= Duration::from_secs(1) && taken < Duration::from_secs(5),
        "{taken:?}"
    );
    assert_eq!(docker.inspect("deaf").await["State"]["ExitCode"], 137);
}
