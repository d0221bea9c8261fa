//! Restart policies: what is begun again, after which wait, and what ends that.

use crate::{events, host, line, time};
use harness::Host;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

fn with_policy(host: &Host, what: &str, name: &str, retries: u32) -> Value {
    let mut asked = line(host, what);
    asked["HostConfig"]["RestartPolicy"] = json!({ "Name": name, "MaximumRetryCount": retries });
    asked
}

fn rests(container: &Value) -> bool {
    container["State"]["Running"] == false
}

fn waits(container: &Value) -> bool {
    container["State"]["Restarting"] == true
}

/// From each end to the start after it.
async fn pauses(host: &Host, id: &str) -> Vec<Duration> {
    let events = events(&host.api(), id).await;
    let mut pauses = Vec::new();
    let mut ended = None;
    for event in &events {
        match event.action.as_str() {
            "die" => ended = Some(time(event)),
            "start" => pauses.extend(ended.take().map(|at| time(event).since(at))),
            _ => {}
        }
    }
    pauses
}

#[tokio::test]
async fn a_failure_is_tried_again_as_often_as_asked_after_waits_that_double() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let asked = with_policy(&host, "echo run >> /marks/runs; exit 3", "on-failure", 4);
    let id = docker.run("fails", &asked).await;
    let ended = docker.until("fails", |it| rests(it) && it["RestartCount"] == 4).await;
    assert_eq!(
        (&ended["State"]["ExitCode"], &ended["State"]["Status"]),
        (&json!(3), &json!("exited"))
    );
    let runs = std::fs::read_to_string(host.dir().join("marks/runs")).expect("it ran");
    assert_eq!(runs.lines().count(), 5);
    let pauses = pauses(&host, &id).await;
    assert_eq!(pauses.len(), 4);
    for (pause, least) in pauses.iter().zip([100, 200, 400, 800]) {
        assert!(*pause >= Duration::from_millis(least - 20), "{pauses:?}");
    }
    // By hand it begins anew.
    assert_eq!(docker.post("/containers/fails/start").await.0, StatusCode::NO_CONTENT);
    let again = docker.until("fails", |it| rests(it) || waits(it)).await;
    assert!(again["RestartCount"].as_i64() < Some(4), "{again}");
    // What ends well is not tried again.
    docker.run("well", &with_policy(&host, "exit 0", "on-failure", 0)).await;
    docker.until("well", rests).await;
    assert_eq!(docker.inspect("well").await["RestartCount"], 0);
}

#[tokio::test]
async fn a_wait_that_the_end_of_the_server_cut_short_goes_on() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    let asked = with_policy(&host, "exit 1", "on-failure", 6);
    let id = docker.run("fails", &asked).await;
    // After the fifth end it waits 1.6 s.
    docker.until("fails", |it| it["RestartCount"] == 4).await;
    let api = host.api();
    while events(&api, &id)
        .await
        .iter()
        .filter(|event| event.action == "die")
        .count()
        < 5
    {
        docker.until("fails", |it| waits(it) || it["RestartCount"] != 4).await;
    }
    host.kill();
    host.start_again();
    let docker = host.docker();
    let ended = docker.until("fails", |it| rests(it) && it["RestartCount"] == 6).await;
    assert_eq!(ended["State"]["ExitCode"], 1);
    let pauses = pauses(&host, &id).await;
    assert_eq!(pauses.len(), 6, "{pauses:?}");
    assert!(pauses[4] >= Duration::from_millis(1580), "{pauses:?}");
    assert!(pauses[5] >= Duration::from_millis(3180), "{pauses:?}");
}

#[tokio::test]
async fn a_stop_a_removal_and_another_policy_each_end_the_waiting() {
    let Some(host) = host().await else { return };
    let (docker, api) = (host.docker(), host.api());
    for name in ["stopped", "removed", "native", "docker"] {
        docker.run(name, &with_policy(&host, "exit 1", "always", 0)).await;
    }
    let waits_long = |it: &Value| waits(it) && it["RestartCount"].as_i64() >= Some(3);
    docker.until("stopped", waits_long).await;
    // It counts as running: who waits for its end waits for the next one.
    let waiting = tokio::spawn({
        let docker = docker.clone();
        async move { docker.post("/containers/stopped/wait").await }
    });
    assert_eq!(docker.post("/containers/stopped/stop").await.0, StatusCode::NO_CONTENT);
    assert_eq!(waiting.await.expect("an answer").1["StatusCode"], 1);
    assert!(rests(&docker.inspect("stopped").await));
    assert_eq!(
        docker.post("/containers/stopped/stop").await.0,
        StatusCode::NOT_MODIFIED
    );

    docker.until("removed", waits_long).await;
    let (status, why) = docker.ask(Method::DELETE, "/containers/removed?force=1", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");

    docker.until("native", waits_long).await;
    let changed: Value = api
        .send(
            Method::PATCH,
            "/containers/native",
            &json!({ "restart": { "policy": "no" } }),
        )
        .await
        .expect("it is changed");
    assert_eq!(changed["state"]["restarting"], false);

    docker.until("docker", waits_long).await;
    let asked = json!({ "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 1 } });
    let (status, why) = docker
        .ask(Method::POST, "/containers/docker/update", Some(&asked))
        .await;
    assert_eq!(status, StatusCode::OK, "{why}");
    let policy = &docker.inspect("docker").await["HostConfig"]["RestartPolicy"];
    assert_eq!(policy, &json!({ "Name": "on-failure", "MaximumRetryCount": 1 }));

    // It may have been about to begin once more.
    docker.until("docker", rests).await;
    let before: Vec<u64> = [
        docker.inspect("stopped").await,
        docker.inspect("native").await,
        docker.inspect("docker").await,
    ]
    .iter()
    .map(|it| {
        assert!(rests(it), "{it}");
        it["RestartCount"].as_u64().expect("a number")
    })
    .collect();
    // Longer than any of the waits was; another container shows that time goes on.
    docker.run("clock", &line(&host, "sleep 2")).await;
    docker.until("clock", rests).await;
    let mut after = Vec::new();
    for name in ["stopped", "native", "docker"] {
        let it = docker.inspect(name).await;
        assert!(rests(&it), "{it}");
        after.push(it["RestartCount"].as_u64().expect("a number"));
    }
    assert_eq!(before, after);
    assert_eq!(
        docker.ask(Method::GET, "/containers/removed/json", None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_is_removed_at_its_end_takes_no_policy() {
    let Some(host) = host().await else { return };
    let mut asked = line(&host, "sleep 1000");
    asked["HostConfig"]["AutoRemove"] = true.into();
    host.docker().run("short", &asked).await;
    let refused: Result<Value, _> = host
        .api()
        .send(
            Method::PATCH,
            "/containers/short",
            &json!({ "restart": { "policy": "always" } }),
        )
        .await;
    assert!(refused.is_err());
    let asked = json!({ "RestartPolicy": { "Name": "always" } });
    let (status, _) = host
        .docker()
        .ask(Method::POST, "/containers/short/update", Some(&asked))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(
        host.docker().inspect("short").await["HostConfig"]["RestartPolicy"]["Name"],
        "no"
    );
}

#[tokio::test]
async fn after_a_crash_of_the_host_policies_decide_what_runs() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    for (name, policy) in [
        ("always", "always"),
        ("always-stopped", "always"),
        ("unless", "unless-stopped"),
        ("unless-stopped", "unless-stopped"),
        ("failing", "on-failure"),
        ("never", "no"),
    ] {
        let id = docker
            .run(name, &with_policy(&host, "exec sleep 1000", policy, 0))
            .await;
        if name.ends_with("-stopped") {
            let (status, why) = docker.post(&format!("/containers/{id}/stop?t=0")).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
        }
    }
    let mut gone = line(&host, "exec sleep 1000");
    gone["HostConfig"]["AutoRemove"] = true.into();
    docker.run("gone", &gone).await;
    host.crash();
    host.start_again();
    let docker = host.docker();
    for name in ["always", "always-stopped", "unless", "failing"] {
        docker.until(name, |it| it["State"]["Status"] == "running").await;
    }
    for name in ["unless-stopped", "never"] {
        let it = docker.inspect(name).await;
        assert!(rests(&it), "{it}");
    }
    // Nobody knows how it ended.
    assert_eq!(docker.inspect("never").await["State"]["ExitCode"], 255);
    assert_eq!(
        docker.ask(Method::GET, "/containers/gone/json", None).await.0,
        StatusCode::NOT_FOUND
    );
}
