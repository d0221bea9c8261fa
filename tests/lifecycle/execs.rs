//! Execs over the end of a server: they go on, and their exit codes are known.

use crate::{events, has_mark, host, line, mark};
use harness::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

async fn begin(docker: &harness::Docker, line: &str) -> String {
    let asked = json!({ "Cmd": ["sh", "-c", line], "User": "nobody", "AttachStdout": true });
    let (status, made) = docker.ask(Method::POST, "/containers/web/exec", Some(&asked)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["Id"].as_str().expect("an id").to_owned();
    let path = format!("/exec/{id}/start");
    let (status, why) = docker.ask(Method::POST, &path, Some(&json!({ "Detach": true }))).await;
    assert_eq!(status, StatusCode::OK, "{why}");
    id
}

async fn inspect(docker: &harness::Docker, id: &str) -> Value {
    docker.ask(Method::GET, &format!("/exec/{id}/json"), None).await.1
}

#[tokio::test]
async fn execs_go_on_without_a_server_and_the_next_one_knows_how_each_ended() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    let mut asked = line(&host, "chmod 777 /marks; exec sleep 1000");
    // A probe that is under way when the server is killed is nobody's afterwards.
    asked["Healthcheck"] = json!({ "Test": ["CMD-SHELL", "exec sleep 4321"], "Interval": 100_000_000_u64 });
    let container = docker.run("web", &asked).await;
    let until = |name: &str, code| {
        format!("while [ ! -e /marks/{name} ]; do sleep 0.05; done; : > /marks/{name}-seen; exit {code}")
    };
    let before = begin(&docker, "exit 5").await;
    let meanwhile = begin(&docker, &until("meanwhile", 6)).await;
    let after = begin(&docker, &until("after", 7)).await;
    docker
        .until("web", |it| it["ExecIDs"].as_array().map_or(0, Vec::len) == 2)
        .await;
    let probing = wait_until(Duration::from_secs(20), || {
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        let mut lines = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.any(|line| line == "sleep\x004321\0").then_some(())
    });
    assert!(probing.is_some(), "a probe is under way");
    host.kill();
    mark(&host, "meanwhile");
    let seen = wait_until(Duration::from_secs(20), || {
        has_mark(&host, "meanwhile-seen").then_some(())
    });
    assert!(seen.is_some(), "it goes on without a server");
    host.start_again();
    let docker = host.docker();
    assert_eq!(inspect(&docker, &before).await["ExitCode"], 5);
    let ended = inspect(&docker, &meanwhile).await;
    assert_eq!((&ended["ExitCode"], &ended["Running"]), (&json!(6), &json!(false)));
    assert_eq!(ended["ProcessConfig"]["entrypoint"], "sh");
    assert_eq!(ended["ProcessConfig"]["user"], "nobody");
    let runs = inspect(&docker, &after).await;
    assert_eq!((&runs["ExitCode"], &runs["Running"]), (&Value::Null, &json!(true)));
    assert_eq!(docker.inspect("web").await["ExecIDs"], json!([after]));
    mark(&host, "after");
    docker.until("web", |it| it["ExecIDs"].is_null()).await;
    assert_eq!(inspect(&docker, &after).await["ExitCode"], 7);
    // Each end is told once.
    let mut told: Vec<(String, String)> = events(&host.api(), &container)
        .await
        .into_iter()
        .filter(|event| event.action == "exec_die")
        .map(|event| {
            (
                event.attributes["exec_id"].clone(),
                event.attributes["exit_code"].clone(),
            )
        })
        .collect();
    told.sort();
    let mut wanted = vec![
        (before, "5".to_owned()),
        (meanwhile, "6".to_owned()),
        (after, "7".to_owned()),
    ];
    wanted.sort();
    assert_eq!(told, wanted);
}
