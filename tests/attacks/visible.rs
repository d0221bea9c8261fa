//! What a process finds in a container of the server, and nothing of the server itself.

use crate::host::{host, host_with, started};
use crate::masked;
use harness::{Api, Host};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn expected(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/attacks/expected")
        .join(name)
}

/// What the container's own command sees.
async fn seen_by_init(api: &Api) -> String {
    let created = api
        .create(&started("looking", "exec attacker look"))
        .await
        .expect("it runs");
    assert_eq!(api.wait(&created.id).await.exit_code, 0);
    api.log(&created.id).await
}

/// What a further process of a running container sees; it writes that to a file.
async fn seen_by_exec(host: &Host, api: &Api) -> String {
    api.create(&started("busy", "exec sleep 1000")).await.expect("it runs");
    let docker = host.docker();
    let command =
        json!({"Cmd": ["sh", "-c", "exec attacker look > /seen.new"], "AttachStdout": true, "AttachStderr": true});
    let (status, exec) = docker.ask(Method::POST, "/containers/busy/exec", Some(&command)).await;
    assert_eq!(status, StatusCode::CREATED, "{exec}");
    let id = exec["Id"].as_str().expect("an id").to_owned();
    let started = docker
        .ask(Method::POST, &format!("/exec/{id}/start"), Some(&json!({})))
        .await;
    assert_eq!(started.0, StatusCode::OK);
    let (_, inspected) = docker.ask(Method::GET, &format!("/exec/{id}/json"), None).await;
    assert_eq!(inspected["ExitCode"], 0, "{inspected}");
    let (_, container) = docker.ask(Method::GET, "/containers/busy/json", None).await;
    let pid = container["State"]["Pid"].as_u64().expect("a number");
    std::fs::read_to_string(format!("/proc/{pid}/root/seen.new")).expect("what it saw")
}

#[tokio::test]
async fn nothing_of_the_server_is_visible() {
    let Some((_host, api)) = host().await else { return };
    let seen = seen_by_init(&api).await;
    masked::assert_own_namespaces(&seen, &["user"]);
    masked::assert_guarded(&seen);
    masked::compare(&masked::masked(&seen), &expected("run.txt"));
}

#[tokio::test]
async fn nothing_of_the_server_is_visible_to_an_exec() {
    let Some((host, api)) = host().await else { return };
    let seen = seen_by_exec(&host, &api).await;
    masked::assert_own_namespaces(&seen, &["user"]);
    masked::assert_guarded(&seen);
    masked::compare(&masked::masked(&seen), &expected("exec.txt"));
}

#[tokio::test]
async fn nothing_of_the_server_is_visible_to_users_of_their_own() {
    let Some((host, api)) = host_with(&["--userns", "auto"]).await else {
        return;
    };
    let seen = seen_by_init(&api).await;
    masked::assert_own_namespaces(&seen, &[]);
    masked::assert_guarded(&seen);
    masked::compare(&masked::masked(&seen), &expected("own-users-run.txt"));
    let seen = seen_by_exec(&host, &api).await;
    masked::assert_own_namespaces(&seen, &[]);
    masked::compare(&masked::masked(&seen), &expected("own-users-exec.txt"));
}

/// The server's own environment is full of what it was started with; a container has
/// what its image and its settings say.
#[tokio::test]
async fn no_variable_of_the_server_reaches_a_container_or_its_shim() {
    let Some((host, api)) = host().await else { return };
    let id = api
        .create(&started("busy", "exec sleep 1000"))
        .await
        .expect("it runs")
        .id;
    let (_, container) = host
        .docker()
        .ask(Method::GET, &format!("/containers/{id}/json"), None)
        .await;
    let pid = container["State"]["Pid"].as_u64().expect("a number");
    let read = |pid: u64| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let own = String::from_utf8_lossy(&read(pid)).into_owned();
    assert!(!own.contains("GANTRY") && !own.contains("CARGO"), "{own:?}");
    // What a shim must not have either: descriptors of the server's data.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let parent = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a parent");
    let shim: u64 = parent.trim().parse().expect("a number");
    let links = || {
        std::fs::read_dir(format!("/proc/{shim}/fd"))
            .expect("its shim")
            .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
    };
    let opened: Vec<PathBuf> = links()
        .filter(|link| link.to_string_lossy().contains("gantry.db"))
        .collect();
    assert!(opened.is_empty(), "{opened:?}");
}

/// Whatever an image asks for, its process lies in its own groups, below the server's.
#[tokio::test]
async fn a_process_cannot_leave_its_groups() {
    let Some((host, api)) = host().await else { return };
    let line = "mkdir /g; for kind in memory pids cpu freezer; do mount -t cgroup -o $kind none /g 2>/dev/null && echo mounted; done;
                mount -t cgroup2 none /g 2>/dev/null && echo mounted;
                for tasks in $(find /sys/fs/cgroup -name tasks -o -name cgroup.procs); do echo $$ 2>/dev/null > $tasks && echo moved; done;
                echo tried; exec sleep 1000";
    let id = api.create(&started("leaving", line)).await.expect("it runs").id;
    let mut log = String::new();
    for _ in 0..2000 {
        log = api.log(&id).await;
        if log.contains("tried") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        log.contains("tried") && !log.contains("mounted") && !log.contains("moved"),
        "{log}"
    );
    assert_eq!(host.cgroup_file(&id, &["pids.current"]).as_deref(), Some("1"));
}
