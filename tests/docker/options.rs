//! Options of the Docker API that change what a client gets, each seen in its effect.

use harness::{Docker, Host, Image, without_frames};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn start() -> Option<(Host, Docker)> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    Some((host, docker))
}

fn sh(line: &str) -> Value {
    json!({ "Image": "busybox", "Cmd": ["sh", "-c", line] })
}

async fn run_to_its_end(docker: &Docker, name: &str, asked: &Value) {
    docker.run(name, asked).await;
    docker
        .until(name, |container| container["State"]["Status"] == "exited")
        .await;
}

async fn logs(docker: &Docker, name: &str, query: &str) -> String {
    let path = format!("/containers/{name}/logs?stdout=1&{query}");
    without_frames(&docker.bytes(&path).await)
}

async fn create(docker: &Docker, name: &str, asked: &Value) -> (StatusCode, Value) {
    let path = format!("/containers/create?name={name}");
    docker.ask(Method::POST, &path, Some(asked)).await
}

#[tokio::test]
async fn what_a_container_is_created_with_is_what_it_gets() {
    let Some((_host, docker)) = start().await else { return };
    // The terminal has its size before the command runs.
    let mut sized = sh("stty size");
    sized["Tty"] = true.into();
    sized["HostConfig"]["ConsoleSize"] = json!([37, 123]);
    run_to_its_end(&docker, "sized", &sized).await;
    let written = docker.bytes("/containers/sized/logs?stdout=1").await;
    assert_eq!(String::from_utf8_lossy(&written).trim(), "37 123");
    let shown = docker.inspect("sized").await;
    assert_eq!(shown["HostConfig"]["ConsoleSize"], json!([37, 123]));
    // A volume that takes nothing of the image stays empty, and the next one does not.
    for (name, mounts) in [
        ("bound", json!({ "Binds": ["kept:/etc:nocopy"] })),
        (
            "mounted",
            json!({ "Mounts": [{ "Type": "volume", "Source": "other", "Target": "/etc", "VolumeOptions": { "NoCopy": true } }] }),
        ),
        (
            "nameless",
            json!({ "Mounts": [{ "Type": "volume", "Target": "/etc", "VolumeOptions": { "NoCopy": true } }] }),
        ),
    ] {
        let mut asked = sh("ls /etc/group 2>/dev/null || echo empty");
        asked["HostConfig"] = mounts;
        run_to_its_end(&docker, name, &asked).await;
        assert_eq!(logs(&docker, name, "").await, "empty\n", "{name}");
    }
    let mut copied = sh("ls /etc/group");
    copied["HostConfig"] = json!({ "Binds": ["filled:/etc"] });
    run_to_its_end(&docker, "copied", &copied).await;
    assert_eq!(logs(&docker, "copied", "").await, "/etc/group\n");
    assert_eq!(
        docker.inspect("bound").await["HostConfig"]["Binds"],
        json!(["kept:/etc:nocopy"])
    );
    // Annotations and the log's options are shown as they were given.
    let mut logged = sh("echo said");
    logged["Labels"] = json!({ "team": "a b", "other": "x" });
    logged["Env"] = json!(["STAGE=test"]);
    let options = json!({ "max-size": "10m", "labels": "team", "env": "STAGE", "tag": "{{.Name}}/x" });
    logged["HostConfig"] = json!({
        "Annotations": { "org.example.a": "b" },
        "LogConfig": { "Type": "json-file", "Config": options },
    });
    run_to_its_end(&docker, "logged", &logged).await;
    let shown = docker.inspect("logged").await;
    assert_eq!(shown["HostConfig"]["Annotations"], json!({ "org.example.a": "b" }));
    assert_eq!(
        shown["HostConfig"]["LogConfig"],
        json!({ "Type": "json-file", "Config": options })
    );
    assert_eq!(logs(&docker, "logged", "").await, "said\n");
    assert_eq!(
        logs(&docker, "logged", "details=1").await,
        "STAGE=test,tag=logged%2Fx,team=a+b said\n"
    );
}

#[tokio::test]
async fn the_newest_line_is_one_of_the_tail_without_its_end() {
    let Some((_host, docker)) = start().await else { return };
    run_to_its_end(&docker, "lines", &sh("printf '1\\n2\\n3'")).await;
    for (tail, wanted) in [
        ("0", ""),
        ("1", "3"),
        ("2", "2\n3"),
        ("3", "1\n2\n3"),
        ("all", "1\n2\n3"),
    ] {
        assert_eq!(logs(&docker, "lines", &format!("tail={tail}")).await, wanted, "{tail}");
    }
}

#[tokio::test]
async fn a_process_killed_for_want_of_memory_is_told_while_the_container_runs_on() {
    let Some((_host, docker)) = start().await else { return };
    let mut hungry = sh("sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done'; sleep 1000");
    hungry["HostConfig"] = json!({ "Memory": 16 << 20, "MemorySwap": 16 << 20 });
    docker.run("hungry", &hungry).await;
    let told = docker
        .until("hungry", |container| container["State"]["OOMKilled"] == true)
        .await;
    assert_eq!(told["State"]["Running"], true, "{told}");
    docker.post("/containers/hungry/restart?t=0").await;
    assert_eq!(docker.inspect("hungry").await["State"]["OOMKilled"], false);
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_and_never_ignored() {
    let Some((_host, docker)) = start().await else { return };
    let with = |field: &str, value: Value| {
        let mut asked = sh("true");
        asked["HostConfig"][field] = value;
        asked
    };
    for (field, value) in [
        ("KernelMemoryTCP", json!(1 << 20)),
        ("PidsLimit", json!(i64::MAX)),
        ("CpuShares", json!(i64::MAX)),
        ("CpuQuota", json!(i64::MAX)),
        ("CpusetMems", json!("x")),
        ("LogConfig", json!({ "Type": "local", "Config": { "labels": "a" } })),
        ("ConsoleSize", json!([1])),
    ] {
        let (status, why) = create(&docker, "refused", &with(field, value)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {why}");
    }
    let mut two = sh("true");
    two["NetworkingConfig"] = json!({ "EndpointsConfig": { "bridge": {}, "host": {} } });
    let (status, why) = create(&docker, "refused", &two).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
    docker.run("running", &sh("sleep 1000")).await;
    for (field, value) in [
        ("PidsLimit", i64::MAX),
        ("CpuShares", i64::MAX),
        ("CpuQuota", i64::MAX),
        ("CpuPeriod", i64::MAX),
        ("NanoCpus", i64::MAX),
        ("Memory", i64::MAX),
        ("KernelMemory", 1),
    ] {
        let body = json!({ field: value });
        let (status, why) = docker
            .ask(Method::POST, "/containers/running/update", Some(&body))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {why}");
    }
    let ambiguous = docker.post("/images/busybox/tag?repo=sha256&tag=abc").await;
    assert_eq!(ambiguous.0, StatusCode::BAD_REQUEST, "{}", ambiguous.1);
}

#[tokio::test]
async fn images_are_changed_chosen_and_removed_as_asked() {
    let Some((_host, docker)) = start().await else { return };
    run_to_its_end(&docker, "base", &sh("true")).await;
    // Changes of a commit: variables, and a health check.
    let changes = "changes=ENV%20A%3D1&changes=ENV%20D%3D%24A%2Fz&changes=HEALTHCHECK%20--interval%3D5s%20CMD%20true";
    let (status, made) = docker
        .post(&format!("/commit?container=base&repo=child&{changes}"))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (_, image) = docker.ask(Method::GET, "/images/child/json", None).await;
    let env = image["Config"]["Env"].as_array().expect("a list");
    assert!(env.contains(&json!("D=1/z")), "{image}");
    assert_eq!(
        image["Config"]["Healthcheck"],
        json!({ "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_u64 })
    );
    assert_eq!(image["Config"].get("Labels"), Some(&Value::Null), "{image}");
    // A container of the child is found by the base.
    let mut of_child = sh("true");
    of_child["Image"] = "child".into();
    run_to_its_end(&docker, "of-child", &of_child).await;
    let names = async |ancestor: &str| {
        let path = format!("/containers/json?all=1&filters=%7B%22ancestor%22:%5B%22{ancestor}%22%5D%7D");
        let (_, found) = docker.ask(Method::GET, &path, None).await;
        let found = found.as_array().expect("a list").iter();
        let mut names: Vec<String> = found.map(|one| one["Names"][0].to_string()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names("busybox").await, r#""/base" "/of-child""#);
    assert_eq!(names("child").await, r#""/of-child""#);
    // The image of a stopped container goes when it is forced, and the container still starts.
    let (status, why) = docker.ask(Method::DELETE, "/images/child", None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");
    let (status, removed) = docker.ask(Method::DELETE, "/images/child?force=1", None).await;
    assert_eq!(status, StatusCode::OK, "{removed}");
    assert!(removed.to_string().contains("Deleted"), "{removed}");
    let (status, _) = docker.ask(Method::GET, "/images/child/json", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, all) = docker.ask(Method::GET, "/images/json?all=1", None).await;
    assert_eq!(all.as_array().expect("a list").len(), 1, "{all}");
    let (status, why) = docker.post("/containers/of-child/start").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    docker
        .until("of-child", |container| container["State"]["Status"] == "exited")
        .await;
    // A running one keeps its image; of the names, the one that was given goes.
    docker.run("running", &sh("sleep 1000")).await;
    let (status, removed) = docker.ask(Method::DELETE, "/images/busybox?force=1", None).await;
    assert_eq!(status, StatusCode::OK, "{removed}");
    assert!(!removed.to_string().contains("Deleted"), "{removed}");
    let (_, all) = docker.ask(Method::GET, "/images/json", None).await;
    assert_eq!(all[0]["RepoTags"], json!([]), "{all}");
    let id = docker.inspect("running").await["Image"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (status, why) = docker.ask(Method::DELETE, &format!("/images/{id}?force=1"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");
    // No cached step has a label, so none is chosen by one.
    let (status, pruned) = docker
        .post("/build/prune?all=1&filters=%7B%22label%22:%5B%22x%22%5D%7D")
        .await;
    assert_eq!(status, StatusCode::OK, "{pruned}");
    assert_eq!(pruned["CachesDeleted"], json!([]), "{pruned}");
}
