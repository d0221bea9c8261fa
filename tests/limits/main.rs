//! What limits become on this host's layout of control groups, through the real server.
//! `cargo xtask test` runs this file twice: here, and on Debian's kernel with a pure v2
//! tree.

use harness::{Api, Host, Image, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::create::NewContainer;
use shared::limits::Limits;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

async fn host() -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let api = host.api();
    let archive = Image::busybox().archive("busybox:latest");
    api.upload("/images/load", archive).await.expect("the archive is taken");
    Some((host, api))
}

fn started(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// What one limit is in a group's files: `(file, content)` on v1, then on v2. A
/// hierarchy that has neither file has no such limit.
fn assert_held(host: &Host, id: &str, v1: (&str, &str), v2: (&str, &str)) {
    let read = |name: &str| host.cgroup_file(id, &[name]);
    match (read(v2.0), read(v1.0)) {
        (Some(held), _) => assert_eq!(held, v2.1, "{}", v2.0),
        (None, Some(held)) => assert_eq!(held, v1.1, "{}", v1.0),
        (None, None) => println!("this host has neither {} nor {}", v1.0, v2.0),
    }
}

#[tokio::test]
async fn what_is_asked_for_is_in_the_kernels_files_and_changes_there() {
    let Some((host, api)) = host().await else { return };
    let new = NewContainer {
        limits: Limits {
            memory_bytes: Some(Some(64 << 20)),
            memory_and_swap_bytes: Some(Some(96 << 20)),
            memory_reservation_bytes: Some(Some(32 << 20)),
            nano_cpus: Some(Some(500_000_000)),
            cpu_shares: Some(Some(1024)),
            cpus: Some(Some("0".to_owned())),
            pids: Some(Some(50)),
            ..Limits::default()
        },
        ..started("box", "sleep 1000")
    };
    let id = api.create(&new).await.expect("it runs").id;
    let memory = |v1: &str, v2: &str| assert_held(&host, &id, ("memory.limit_in_bytes", v1), ("memory.max", v2));
    memory("67108864", "67108864");
    assert_held(
        &host,
        &id,
        ("memory.memsw.limit_in_bytes", "100663296"),
        ("memory.swap.max", "33554432"),
    );
    assert_held(
        &host,
        &id,
        ("memory.soft_limit_in_bytes", "33554432"),
        ("memory.low", "33554432"),
    );
    assert_held(&host, &id, ("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    assert_held(&host, &id, ("cpu.shares", "1024"), ("cpu.weight", "100"));
    assert_held(&host, &id, ("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    assert_held(&host, &id, ("pids.max", "50"), ("pids.max", "50"));

    let change = json!({ "memory_bytes": 128 << 20, "memory_and_swap_bytes": 128 << 20, "cpu_shares": 2 });
    let held: Limits = api
        .send(Method::PATCH, "/containers/box/limits", &change)
        .await
        .expect("it is changed");
    assert_eq!(held.cpu_shares, Some(Some(2)));
    memory("134217728", "134217728");
    assert_held(
        &host,
        &id,
        ("memory.memsw.limit_in_bytes", "134217728"),
        ("memory.swap.max", "0"),
    );
    assert_held(&host, &id, ("cpu.shares", "2"), ("cpu.weight", "1"));
    assert_held(&host, &id, ("pids.max", "50"), ("pids.max", "50"));

    let refused = api
        .send::<Limits>(
            Method::PATCH,
            "/containers/box/limits",
            &json!({ "pids": 5, "memory_bytes": 1024 }),
        )
        .await
        .expect_err("it is too little");
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_held(&host, &id, ("pids.max", "50"), ("pids.max", "50"));

    let clear = json!({ "memory_bytes": null, "nano_cpus": null, "pids": null });
    let _: Limits = api
        .send(Method::PATCH, "/containers/box/limits", &clear)
        .await
        .expect("limits can be taken away");
    let none = host.cgroup_file(&id, &["memory.max", "memory.limit_in_bytes"]);
    // v1 has no word for it, but a number of pages that no host has.
    assert!(
        none.as_deref() == Some("max") || none.is_some_and(|text| text.parse::<u64>().is_ok_and(|n| n > 1 << 60)),
        "no limit on memory is left"
    );
    assert_held(&host, &id, ("cpu.cfs_quota_us", "-1"), ("cpu.max", "max 100000"));
    assert_held(&host, &id, ("pids.max", "max"), ("pids.max", "max"));
}

#[tokio::test]
async fn the_kernel_refuses_what_was_not_allowed() {
    let Some((_host, api)) = host().await else { return };
    // Making the node is allowed, and of no use: opening it is not.
    let line = "echo x > /dev/null || exit 1
                mknod /tmp/kmsg c 1 11 || exit 2
                head -c 1 /tmp/kmsg > /dev/null 2>&1 && exit 3
                exit 7";
    let created = api.create(&started("devices", line)).await.expect("it runs");
    let code = api.wait(&created.id).await.exit_code;
    assert_eq!(code, 7, "it said: {}", api.log(&created.id).await);

    let hog = NewContainer {
        limits: Limits {
            memory_bytes: Some(Some(16 << 20)),
            memory_and_swap_bytes: Some(Some(16 << 20)),
            ..Limits::default()
        },
        ..started("hog", "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done")
    };
    let created = api.create(&hog).await.expect("it runs");
    let end = api.wait(&created.id).await;
    assert_eq!((end.exit_code, end.oom_killed), (137, true));
}

#[tokio::test]
async fn a_container_is_reached_frozen_and_entered() {
    let Some((host, api)) = host().await else { return };
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let web = NewContainer {
        ports: vec![format!("127.0.0.1:{port}:80")],
        ..started(
            "web",
            "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www",
        )
    };
    let id = api.create(&web).await.expect("it runs").id;
    let page = wait_until(Duration::from_secs(10), || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("hello").then_some(text)
    });
    assert!(page.is_some(), "the published port answers");

    let frozen = || {
        let v2 = host.cgroup_file(&id, &["cgroup.events"]).unwrap_or_default();
        let v1 = host.cgroup_file(&id, &["freezer.state"]).unwrap_or_default();
        v2.contains("frozen 1") || v1 == "FROZEN"
    };
    assert!(!frozen());
    api.act(Method::POST, "/containers/web/pause").await.expect("it stops");
    assert!(frozen(), "the kernel says so");
    api.act(Method::POST, "/containers/web/unpause")
        .await
        .expect("it goes on");
    assert!(!frozen());

    let docker = host.docker();
    let asked = json!({ "Cmd": ["sh", "-c", "grep -q /www /proc/1/cmdline && exit 5"] });
    let (status, exec) = docker.ask(Method::POST, "/containers/web/exec", Some(&asked)).await;
    assert_eq!(status, StatusCode::CREATED, "{exec}");
    let exec = exec["Id"].as_str().expect("an id");
    let (status, answer) = docker
        .ask(
            Method::POST,
            &format!("/exec/{exec}/start"),
            Some(&json!({ "Detach": true })),
        )
        .await;
    assert!(status.is_success(), "{status}: {answer}");
    let mut code = None;
    for _ in 0..500 {
        let (_, seen) = docker.ask(Method::GET, &format!("/exec/{exec}/json"), None).await;
        code = seen["ExitCode"].as_i64();
        if code.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code, Some(5), "it ran inside");
}
