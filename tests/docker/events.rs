//! Events carry what clients filter by: labels, names, drivers.

use harness::{Host, Image};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// All events until now that pass the filters.
async fn events(host: &Host, filters: Value) -> Vec<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let path = format!(
        "/events?since=1&until={}.{:09}&filters={}",
        now.as_secs(),
        now.subsec_nanos(),
        filters.to_string().replace('"', "%22")
    );
    let text = host.docker().text(&path).await;
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn actions(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", word(&event["Type"]), word(&event["Action"]))
    };
    events.iter().map(line).collect()
}

async fn server() -> Option<Host> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    host.docker().load(Image::busybox().archive("busybox:latest")).await;
    Some(host)
}

#[tokio::test]
async fn the_events_of_a_container_are_found_by_its_labels_and_its_image() {
    let Some(host) = server().await else { return };
    let docker = host.docker();
    let asked = json!({
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "Labels": { "app": "web", "name": "a label" },
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 100_000_000 },
        "HostConfig": { "Binds": ["data:/data:ro"] },
    });
    docker.run("web", &asked).await;
    docker
        .run("other", &json!({ "Image": "busybox", "Cmd": ["true"] }))
        .await;
    docker
        .until("web", |shown| shown["State"]["Health"]["Status"] == "healthy")
        .await;
    let exec = json!({ "Cmd": ["echo", "hi"], "AttachStdout": true });
    let (_, made) = docker.ask(Method::POST, "/containers/web/exec", Some(&exec)).await;
    let exec = made["Id"].as_str().expect("an id").to_owned();
    docker
        .text_of(Method::POST, &format!("/exec/{exec}/start"), &json!({}))
        .await;
    let until_ended = async {
        loop {
            let (_, shown) = docker.ask(Method::GET, &format!("/exec/{exec}/json"), None).await;
            if shown["Running"] == false && !shown["ExitCode"].is_null() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    until_ended.await;
    docker.post("/containers/web/kill").await;
    docker.ask(Method::DELETE, "/containers/web", None).await;

    let found = events(&host, json!({ "label": ["app=web"], "type": ["container"] })).await;
    assert_eq!(
        actions(&found),
        [
            "container create",
            "container start",
            "container health_status: healthy",
            "container exec_create: echo hi",
            "container exec_start: echo hi",
            "container exec_die",
            "container kill",
            "container die",
            "container destroy",
        ]
    );
    let of = |action: &str| {
        let event = found.iter().find(|event| event["Action"] == action).expect(action);
        event["Actor"]["Attributes"].clone()
    };
    for event in &found {
        let attributes = &event["Actor"]["Attributes"];
        assert_eq!(
            (&attributes["app"], &attributes["image"]),
            (&json!("web"), &json!("busybox"))
        );
        assert_eq!(attributes["name"], "web", "a label does not take the name's place");
    }
    assert_eq!(of("exec_die")["execID"], exec);
    assert_eq!(of("exec_die")["exitCode"], "0");
    assert_eq!(of("kill")["signal"], "9");
    assert_eq!(of("die")["exitCode"], "137");
    assert!(of("die")["execDuration"].is_string());

    let volume = events(&host, json!({ "volume": ["data"] })).await;
    assert_eq!(actions(&volume), ["volume create", "volume mount", "volume unmount"]);
    for event in &volume {
        assert_eq!(event["Actor"]["Attributes"]["driver"], "local");
    }
    assert_eq!(volume[1]["Actor"]["Attributes"]["read/write"], "false");
    let network = events(
        &host,
        json!({ "network": ["bridge"], "event": ["connect", "disconnect"] }),
    )
    .await;
    assert_eq!(actions(&network)[..1], ["network connect"]);
    assert_eq!(network[0]["Actor"]["Attributes"]["type"], "bridge");
    for wanted in ["busybox", "busybox:latest", "docker.io/library/busybox"] {
        let found = events(&host, json!({ "image": [wanted], "event": ["create"] })).await;
        assert_eq!(actions(&found), ["container create", "container create"], "{wanted}");
    }
    let none = events(&host, json!({ "label": ["app=db"] })).await;
    assert_eq!(none, Vec::<Value>::new());
}

#[tokio::test]
async fn images_and_prunes_are_told_with_their_attributes() {
    let Some(host) = server().await else { return };
    let docker = host.docker();
    docker.run("web", &json!({ "Image": "busybox", "Cmd": ["true"] })).await;
    docker.until("web", |shown| shown["State"]["Status"] == "exited").await;
    let labelled = json!({ "Labels": { "tier": "front" } });
    let path = "/commit?container=web&repo=127.0.0.1:5000/team/web&tag=1";
    let (status, made) = docker.ask(Method::POST, path, Some(&labelled)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    docker
        .post("/images/127.0.0.1:5000/team/web:1/tag?repo=mine&tag=2")
        .await;
    docker.ask(Method::DELETE, "/images/mine:2", None).await;
    let tagged = events(&host, json!({ "label": ["tier=front"], "type": ["image"] })).await;
    assert_eq!(actions(&tagged), ["image commit", "image tag", "image untag"]);
    assert_eq!(tagged[1]["Actor"]["Attributes"]["name"], "mine:2");
    let by_name = events(
        &host,
        json!({ "image": ["127.0.0.1:5000/team/web"], "type": ["image"] }),
    )
    .await;
    assert_eq!(actions(&by_name), ["image commit"]);

    for kind in ["containers", "images", "volumes", "networks", "build"] {
        let (status, answer) = docker.post(&format!("/{kind}/prune")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let pruned = events(&host, json!({ "event": ["prune"] })).await;
    assert_eq!(
        actions(&pruned),
        [
            "container prune",
            "image prune",
            "volume prune",
            "network prune",
            "builder prune"
        ]
    );
    for event in &pruned {
        assert_eq!(event["Actor"]["ID"], "");
        let reclaimed = event["Actor"]["Attributes"]["reclaimed"].as_str().expect("bytes");
        reclaimed.parse::<u64>().expect("a number");
    }
}

#[tokio::test]
async fn a_restart_that_waits_is_cancelled_by_stop_and_kill_with_an_event() {
    let Some(host) = server().await else { return };
    let docker = host.docker();
    for (name, order, action) in [("one", "stop", "stop"), ("two", "kill", "kill")] {
        let asked = json!({
            "Image": "busybox",
            "Cmd": ["false"],
            "HostConfig": { "RestartPolicy": { "Name": "always" } },
        });
        docker.run(name, &asked).await;
        // Late enough that the next start is not in the way.
        docker
            .until(name, |shown| {
                shown["State"]["Restarting"] == true && shown["RestartCount"].as_u64() >= Some(5)
            })
            .await;
        let (status, why) = docker.post(&format!("/containers/{name}/{order}")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{order}: {why}");
        let shown = docker.inspect(name).await;
        assert_eq!(shown["State"]["Status"], "exited", "{order}");
        // Where the wait was over meanwhile, the end of that run is told too.
        let events = events(&host, json!({ "container": [name] })).await;
        let actions = actions(&events);
        let last_start = actions.iter().rposition(|told| told == "container start");
        let after = &actions[last_start.expect("it was started")..];
        assert!(after.contains(&format!("container {action}")), "{order}: {after:?}");
    }
}

#[tokio::test]
async fn a_kill_is_done_and_statistics_are_there_when_they_are_answered() {
    let Some(host) = server().await else { return };
    let docker = host.docker();
    let asked = json!({ "Image": "busybox", "Cmd": ["sleep", "1000"] });
    for (name, one_shot) in [("one", true), ("two", false)] {
        docker.run(name, &asked).await;
        let path = format!("/containers/{name}/stats?stream=false&one-shot={one_shot}");
        let (_, stats) = docker.ask(Method::GET, &path, None).await;
        assert!(stats["memory_stats"]["usage"].as_u64() > Some(0), "{stats}");
        assert!(stats["pids_stats"]["current"].as_u64() > Some(0), "{stats}");
        let before = stats["precpu_stats"]["system_cpu_usage"].as_u64();
        assert_eq!(before > Some(0), !one_shot, "{stats}");
        let (status, _) = docker.post(&format!("/containers/{name}/kill")).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let shown = docker.inspect(name).await;
        assert_eq!(
            (&shown["State"]["Running"], &shown["State"]["ExitCode"]),
            (&json!(false), &json!(137))
        );
    }
}
