//! What is kept of a log, and in which form.

use crate::{host, line};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::logs::Page;
use std::fs;
use std::time::Duration;

#[tokio::test]
async fn a_log_is_rotated_and_packed_as_asked_and_read_as_ever() {
    let Some(host) = host().await else { return };
    let (docker, api) = (host.docker(), host.api());
    let mut asked = line(&host, "seq 1 20000; sleep 1000");
    asked["HostConfig"]["LogConfig"] = json!({
        "Type": "json-file",
        "Config": { "max-size": "64k", "max-file": "100", "compress": "true" },
    });
    let id = docker.run("web", &asked).await;
    let config = &docker.inspect("web").await["HostConfig"]["LogConfig"]["Config"];
    assert_eq!(
        config,
        &json!({ "max-size": "64k", "max-file": "100", "compress": "true" })
    );
    let dir = host.data_dir().join("containers").join(&id).join("log");
    let count = |ending: &str| {
        let names = fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().ends_with(ending)).count()
    };
    docker.until("web", |_| count(".zst") > 5 && count(".log") == 1).await;
    let mut wanted = (1..=20_000)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join("\n");
    wanted.push('\n');
    // What was packed so far may not be all that is to come.
    let whole = async {
        while api.log("web").await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), whole).await.is_ok());
    // By number, from the middle of a packed file, and from the end.
    let page: Page = api.get("/containers/web/logs?from=7000&max=3").await.expect("lines");
    let texts: Vec<&str> = page.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["7000", "7001", "7002"]);
    let page: Page = api.get("/containers/web/logs?tail=9000").await.expect("lines");
    assert_eq!(page.lines.first().map(|line| line.text.as_str()), Some("11001"));
    // A container that ends and begins again goes on where it was.
    assert_eq!(
        docker.post("/containers/web/restart?t=0").await.0,
        StatusCode::NO_CONTENT
    );
    docker.until("web", |_| count(".zst") > 20).await;
    let twice = format!("{wanted}{wanted}");
    docker.until("web", |_| count(".log") == 1).await;
    let text = api.log("web").await;
    assert!(text.len() > wanted.len());
    for (number, (line, wanted)) in text.lines().zip(twice.lines()).enumerate() {
        assert_eq!(line, wanted, "line {number} of {}", text.lines().count());
    }
}

#[tokio::test]
async fn only_as_much_is_kept_as_asked() {
    let Some(host) = host().await else { return };
    let api = host.api();
    let asked = json!({
        "name": "small", "image": "busybox", "start": true,
        "command": ["sh", "-c", "seq 1 20000"],
        "log": { "keep_bytes": 40960, "segments": 4, "compress": true },
    });
    let made: Value = api.send(Method::POST, "/containers", &asked).await.expect("it runs");
    api.wait("small").await;
    let id = made["id"].as_str().expect("an id");
    let dir = host.data_dir().join("containers").join(id).join("log");
    let kept = fs::read_dir(&dir).expect("a log").flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.contains(".log")
    });
    assert!(kept.count() <= 4);
    let text = api.log("small").await;
    assert!(text.ends_with("\n20000\n") && text.len() < 40960, "{}", text.len());
    let details: Value = api.get("/containers/small").await.expect("details");
    let log = &details["log"];
    assert_eq!(
        (&log["segments"], &log["keep_bytes"], &log["compress"]),
        (&json!(4), &json!(40960), &json!(true))
    );
    for (log, field) in [
        (json!({ "keep_bytes": 4096, "segments": 2 }), "log"),
        (json!({ "keep_bytes": 1_000_000, "segments": 0 }), "log"),
        (
            json!({ "keep_bytes": 1_000_000, "segments": 1, "compress": true }),
            "log",
        ),
        (
            json!({ "keep_bytes": 1_000_000, "buffer_bytes": 5 }),
            "log.buffer_bytes",
        ),
    ] {
        let asked = json!({ "image": "busybox", "command": ["true"], "log": log });
        let refused: Result<Value, _> = api.send(Method::POST, "/containers", &asked).await;
        let refused = refused.expect_err("it is refused");
        assert!(format!("{refused:?}").contains(field), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let mut asked = line(&host, "echo unheard; exit 3");
    asked["HostConfig"]["LogConfig"] = json!({ "Type": "none" });
    docker.run("quiet", &asked).await;
    let ended = docker.until("quiet", |it| it["State"]["Running"] == false).await;
    assert_eq!(ended["State"]["ExitCode"], 3);
    assert_eq!(ended["HostConfig"]["LogConfig"]["Type"], "none");
    let (status, why) = docker.ask(Method::GET, "/containers/quiet/logs?stdout=1", None).await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{why}");
    assert_eq!(host.api().log("quiet").await, "");
}

#[tokio::test]
async fn a_log_that_is_not_followed_ends_where_it_was_when_it_was_asked_for() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    docker
        .run("chatty", &line(&host, "while :; do seq 1 10000; done"))
        .await;
    let path = "/containers/chatty/logs?stdout=1";
    docker.until("chatty", |_| true).await;
    for query in ["", "&tail=1000", "&since=1"] {
        // The client of the tests gives up after a minute.
        let (status, _) = docker.ask(Method::GET, &format!("{path}{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{query}");
    }
}
