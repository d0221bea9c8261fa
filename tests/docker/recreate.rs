//! What is read of a container creates an equal one: clients inspect a container and send what
//! they read back, with a new image or name.

use harness::{Api, Docker, Host, Image};
use proptest::prelude::Strategy as _;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::create::NewContainer;

const CASES: usize = 60;

/// Values of each field, by its path in the body. `DIR` is a directory of the host.
fn fields() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        (
            "Env",
            vec![
                json!(["A=1", "B="]),
                json!(["PATH", "OF_IMAGE=other"]),
                json!(["OF_IMAGE"]),
            ],
        ),
        ("Cmd", vec![json!(["echo", "a b"]), json!(["true"])]),
        (
            "Entrypoint",
            vec![json!([""]), json!(["sh", "-c"]), json!(["/bin/busybox"])],
        ),
        ("User", vec![json!("nobody"), json!("1:2")]),
        ("WorkingDir", vec![json!("/tmp")]),
        ("Tty", vec![json!(true)]),
        ("OpenStdin", vec![json!(true)]),
        ("StdinOnce", vec![json!(true)]),
        ("Hostname", vec![json!("box")]),
        ("Domainname", vec![json!("example.com")]),
        ("Labels", vec![json!({ "app": "web", "of.image": "other" })]),
        ("ExposedPorts", vec![json!({ "90/tcp": {}, "53/udp": {} })]),
        (
            "Volumes",
            vec![json!({ "/anonymous": {} }), json!({ "/of/image": {}, "/b": {} })],
        ),
        ("StopSignal", vec![json!("SIGINT"), json!("SIGRTMIN+3")]),
        ("StopTimeout", vec![json!(0), json!(30), json!(-1)]),
        (
            "Healthcheck",
            vec![
                json!({ "Test": ["NONE"] }),
                json!({ "Test": ["CMD", "true"], "Interval": 1_500_000_000, "Retries": 2 }),
                json!({ "Test": ["CMD-SHELL", "exit 0"], "StartPeriod": 1_000_000, "StartInterval": 2_000_000 }),
                json!({ "Timeout": 3_000_000_000_u64 }),
            ],
        ),
        (
            "HostConfig/Binds",
            vec![
                json!(["DIR:/bound", "data:/data:ro"]),
                json!(["DIR:/bound:ro,rslave", "DIR/made:/z"]),
                json!(["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:/named"]),
            ],
        ),
        (
            "HostConfig/Mounts",
            vec![
                json!([{ "Type": "bind", "Source": "DIR", "Target": "/m/bind", "ReadOnly": true,
                         "BindOptions": { "Propagation": "rprivate" } }]),
                json!([{ "Type": "bind", "Source": "DIR", "Target": "/m/bind",
                         "BindOptions": { "NonRecursive": true, "CreateMountpoint": true } },
                       { "Type": "bind", "Source": "DIR", "Target": "/m/writable", "ReadOnly": true,
                         "BindOptions": { "ReadOnlyNonRecursive": true } },
                       { "Type": "bind", "Source": "DIR", "Target": "/m/forced", "ReadOnly": true,
                         "BindOptions": { "ReadOnlyForceRecursive": true } }]),
                json!([{ "Type": "volume", "Source": "other", "Target": "/m/volume" },
                       { "Type": "volume", "Target": "/m/anonymous" }]),
                json!([{ "Type": "tmpfs", "Target": "/m/tmpfs", "TmpfsOptions": { "SizeBytes": 65536, "Mode": 448 } }]),
            ],
        ),
        (
            "HostConfig/Tmpfs",
            vec![
                json!({ "/run": "" }),
                json!({ "/t": "size=64k,mode=755,exec", "/s": "ro" }),
            ],
        ),
        (
            "HostConfig/RestartPolicy",
            vec![
                json!({ "Name": "on-failure", "MaximumRetryCount": 3 }),
                json!({ "Name": "always" }),
            ],
        ),
        ("HostConfig/CapAdd", vec![json!(["NET_ADMIN"]), json!(["ALL"])]),
        ("HostConfig/CapDrop", vec![json!(["ALL"]), json!(["CHOWN", "SETUID"])]),
        ("HostConfig/Dns", vec![json!(["1.1.1.1"])]),
        ("HostConfig/DnsSearch", vec![json!(["example.com"])]),
        ("HostConfig/DnsOptions", vec![json!(["ndots:1"])]),
        ("HostConfig/ExtraHosts", vec![json!(["db:10.1.2.3", "gw:host-gateway"])]),
        ("HostConfig/GroupAdd", vec![json!(["100"])]),
        ("HostConfig/IpcMode", vec![json!("host"), json!("private")]),
        ("HostConfig/PidMode", vec![json!("host")]),
        ("HostConfig/CgroupnsMode", vec![json!("host"), json!("private")]),
        ("HostConfig/OomScoreAdj", vec![json!(-500), json!(0)]),
        ("HostConfig/Privileged", vec![json!(true)]),
        ("HostConfig/PublishAllPorts", vec![json!(true)]),
        ("HostConfig/ReadonlyRootfs", vec![json!(true)]),
        (
            "HostConfig/SecurityOpt",
            vec![json!(["no-new-privileges"]), json!(["seccomp=unconfined"])],
        ),
        ("HostConfig/ShmSize", vec![json!(1 << 20), json!(64 << 20)]),
        ("HostConfig/Sysctls", vec![json!({ "net.ipv4.ip_forward": "1" })]),
        ("HostConfig/Init", vec![json!(true), json!(false)]),
        (
            "HostConfig/Devices",
            vec![json!([{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rw" }])],
        ),
        (
            "HostConfig/Ulimits",
            vec![json!([{ "Name": "nofile", "Soft": 10, "Hard": -1 }])],
        ),
        ("HostConfig/MaskedPaths", vec![json!([]), json!(["/proc/keys"])]),
        ("HostConfig/ReadonlyPaths", vec![json!([])]),
        (
            "HostConfig/LogConfig",
            vec![
                json!({ "Type": "json-file", "Config": { "max-size": "1m", "max-file": "3" } }),
                json!({ "Type": "local", "Config": {} }),
                json!({ "Type": "none", "Config": {} }),
            ],
        ),
        ("HostConfig/Memory", vec![json!(64 << 20)]),
        ("HostConfig/NanoCpus", vec![json!(500_000_000)]),
        ("HostConfig/CpuShares", vec![json!(512)]),
        ("HostConfig/CpusetCpus", vec![json!("0")]),
        ("HostConfig/PidsLimit", vec![json!(50), json!(-1)]),
        ("HostConfig/MemoryReservation", vec![json!(32 << 20)]),
        (
            "HostConfig/BlkioDeviceReadBps",
            vec![json!([{ "Path": "/dev/block/7:0", "Rate": 1000 }])],
        ),
        (
            "HostConfig/PortBindings",
            vec![
                json!({ "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] }),
                json!({ "80/tcp": [{ "HostIp": "", "HostPort": "18080" }, { "HostIp": "", "HostPort": "18081" }],
                        "53/udp": [{ "HostPort": "18053" }] }),
            ],
        ),
    ]
}

/// A body in which every field is left out or has one of its values.
fn any_body(runner: &mut TestRunner, dir: &str) -> Value {
    let mut body = json!({ "Image": "full", "HostConfig": {} });
    for (path, values) in fields() {
        // Left out in half of the cases.
        let place = (0..values.len() * 2).new_tree(runner).expect("a number").current();
        let Some(value) = values.get(place) else { continue };
        let value = serde_json::from_str(&value.to_string().replace("DIR", dir)).expect("JSON");
        match path.split_once('/') {
            Some((outer, inner)) => body[outer][inner] = value,
            None => body[path] = value,
        }
    }
    body
}

/// The host's namespaces and networks leave some fields no meaning.
fn fixed_bodies() -> Vec<Value> {
    vec![
        json!({ "Image": "full", "HostConfig": { "UTSMode": "host" } }),
        json!({ "Image": "full", "HostConfig": { "NetworkMode": "host" } }),
        json!({ "Image": "full", "HostConfig": { "NetworkMode": "none", "UsernsMode": "host" } }),
        json!({ "Image": "full", "HostConfig": { "AutoRemove": true, "CpuQuota": 20000, "CpuPeriod": 50000 } }),
        json!({ "Image": "full", "HostConfig": { "Memory": 64 << 20, "MemorySwap": -1, "MemorySwappiness": 10 } }),
    ]
}

/// An image that has a say in everything that images may.
async fn full_image(docker: &Docker) {
    docker.load(Image::busybox().archive("busybox:latest")).await;
    docker
        .run("source", &json!({ "Image": "busybox", "Cmd": ["true"] }))
        .await;
    docker
        .until("source", |shown| shown["State"]["Status"] == "exited")
        .await;
    let config = json!({
        "Entrypoint": ["/bin/busybox"],
        "Cmd": ["sleep", "1000"],
        "Env": ["OF_IMAGE=1"],
        "Labels": { "of.image": "1" },
        "ExposedPorts": { "80/tcp": {} },
        "Volumes": { "/of/image": {} },
        "StopSignal": "SIGQUIT",
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5_000_000_000_u64 },
    });
    let (status, made) = docker
        .ask(Method::POST, "/commit?container=source&repo=full", Some(&config))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
}

/// The container, or why it cannot be created.
async fn try_create(docker: &Docker, body: &Value) -> Result<Value, Value> {
    let (status, made) = docker.ask(Method::POST, "/containers/create", Some(body)).await;
    if status == StatusCode::CREATED {
        Ok(docker.inspect(made["Id"].as_str().expect("an id")).await)
    } else {
        Err(made)
    }
}

async fn create(docker: &Docker, body: &Value) -> Value {
    let made = try_create(docker, body).await;
    made.unwrap_or_else(|why| panic!("{why} for {body}"))
}

/// The body that clients make of an inspection.
fn body_of(shown: &Value) -> Value {
    let mut body = shown["Config"].clone();
    body["HostConfig"] = shown["HostConfig"].clone();
    body["NetworkingConfig"] = json!({ "EndpointsConfig": shown["NetworkSettings"]["Networks"] });
    body
}

/// What a container was asked for, without what differs between any two.
fn specification(shown: &Value) -> Value {
    let id = shown["Id"].as_str().expect("an id");
    let mut config = shown["Config"].clone();
    if config["Hostname"].as_str() == Some(&id[..12]) {
        config["Hostname"] = Value::Null;
    }
    let mounts: Map<String, Value> = shown["Mounts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|mount| {
            let mut mount = mount.clone();
            let name = mount["Name"].as_str().unwrap_or_default();
            if name.len() == 64 && !name.starts_with("0123") {
                mount["Name"] = "anonymous".into();
                mount["Source"] = Value::Null;
            }
            (mount["Destination"].as_str().expect("a path").to_owned(), mount)
        })
        .collect();
    json!({ "Config": config, "HostConfig": shown["HostConfig"], "Mounts": mounts,
            "Path": shown["Path"], "Args": shown["Args"], "Image": shown["Image"] })
}

async fn spec(api: &Api, shown: &Value) -> NewContainer {
    let id = shown["Id"].as_str().expect("an id");
    api.get(&format!("/containers/{id}/spec")).await.expect("a request")
}

#[tokio::test]
async fn a_container_is_created_again_from_what_is_read_of_it() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let (docker, api) = (host.docker(), host.api());
    full_image(&docker).await;
    let dir = host.dir().join("bound");
    std::fs::create_dir(&dir).expect("a directory");
    // A volume that has the form of an anonymous one, and is named.
    let named = "0123456789abcdef".repeat(4);
    docker
        .ask(Method::POST, "/volumes/create", Some(&json!({ "Name": named })))
        .await;
    let mut runner = TestRunner::deterministic();
    let dir = dir.display().to_string();
    let bodies = (0..CASES).map(|_| any_body(&mut runner, &dir)).chain(fixed_bodies());
    let mut created = 0;
    for body in bodies {
        // Some fields exclude each other.
        let Ok(first) = try_create(&docker, &body).await else {
            continue;
        };
        created += 1;
        let second = create(&docker, &body_of(&first)).await;
        assert_eq!(specification(&second), specification(&first), "{body}");
        let asked = spec(&api, &first).await;
        assert_eq!(spec(&api, &second).await, asked, "{body}");
        let made = api.create(&asked).await.expect("it is created");
        let third = docker.inspect(&made.id).await;
        assert_eq!(specification(&third), specification(&first), "{body}");
        assert_eq!(spec(&api, &third).await, asked, "{body}");
        for shown in [&first, &second, &third] {
            let id = shown["Id"].as_str().expect("an id");
            docker.ask(Method::DELETE, &format!("/containers/{id}?v=1"), None).await;
        }
    }
    assert!(created > CASES / 2, "only {created} of the bodies could be created");
}

#[tokio::test]
async fn a_running_container_is_created_again_with_what_its_network_shows() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    docker
        .run(
            "web",
            &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "Volumes": { "/own": {} } }),
        )
        .await;
    let first = docker.inspect("web").await;
    let mac = &first["NetworkSettings"]["Networks"]["bridge"]["MacAddress"];
    assert!(mac.as_str().is_some_and(|mac| !mac.is_empty()), "{first}");
    let second = create(&docker, &body_of(&first)).await;
    assert_eq!(specification(&second), specification(&first));
    let volume = |shown: &Value| shown["Mounts"][0]["Name"].as_str().expect("a name").to_owned();
    assert_ne!(volume(&first), volume(&second), "an anonymous volume is not shared");
    // One that is the user's wish is not ignored.
    let mut body = body_of(&first);
    body["NetworkingConfig"]["EndpointsConfig"]["bridge"]["MacAddress"] = "02:42:ac:11:00:02".into();
    let (status, why) = docker.ask(Method::POST, "/containers/create", Some(&body)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
}
