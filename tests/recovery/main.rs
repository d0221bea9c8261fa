//! The server is killed at any moment, and nothing is lost: containers go on, and
//! the next start finds them, their logs and how they ended.

mod cleanup;
mod lost;

use harness::{Api, Host, Image, Registry, wait_until};
use reqwest::Method;
use serde_json::json;
use shared::container::Status;
use shared::create::NewContainer;
use shared::logs::Page;
use shared::task::{Task, TaskState};
use std::time::Duration;

async fn host() -> Option<Host> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let archive = Image::busybox().archive("busybox:latest");
    host.api()
        .upload("/images/load", archive)
        .await
        .expect("the archive is taken");
    Some(host)
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

/// The number of the next line.
async fn next(api: &Api, name: &str) -> u64 {
    let page: Page = api
        .get(&format!("/containers/{name}/logs?tail=1"))
        .await
        .expect("lines");
    page.next
}

#[tokio::test]
async fn a_container_that_writes_all_the_time_never_notices_that_the_server_was_killed() {
    let Some(mut host) = host().await else { return };
    // Ten thousand lines a second.
    let line = "i=0; while true; do seq $((i*500+1)) $((i*500+500)); i=$((i+1)); sleep 0.05; done";
    host.api().create(&started("writer", line)).await.expect("it runs");
    let pid = host.api().inspect("writer").await.container.state.pid;
    for _ in 0..3 {
        let before = next(&host.api(), "writer").await;
        host.kill();
        std::thread::sleep(Duration::from_millis(700));
        host.start_again();
        let api = host.api();
        let details = api.inspect("writer").await;
        assert_eq!(details.container.state.status, Status::Running);
        assert_eq!(details.container.state.pid, pid, "it is the same process");
        assert!(
            next(&api, "writer").await > before + 1_000,
            "it went on writing meanwhile"
        );
    }
    let api = host.api();
    api.act(Method::POST, "/containers/writer/kill")
        .await
        .expect("it is killed");
    assert_eq!(api.wait("writer").await.exit_code, 137);
    let text = api.log("writer").await;
    let mut count = 0_u64;
    for (wanted, line) in (1_u64..).zip(text.lines()) {
        // Only the last may have been cut by the kill.
        if line.parse() != Ok(wanted) {
            assert!(
                text.ends_with(line) && wanted.to_string().starts_with(line),
                "line {wanted} is `{line}`"
            );
        }
        count = wanted;
    }
    assert!(count > 10_000, "{count} lines in all");
}

#[tokio::test]
async fn how_a_container_ended_while_no_server_ran_is_known() {
    let Some(mut host) = host().await else { return };
    let api = host.api();
    api.create(&started("seven", "sleep 1; echo last; exit 7"))
        .await
        .expect("it runs");
    api.create(&started("killed", "sleep 1000")).await.expect("it runs");
    let pids = [
        api.inspect("seven").await.container.state.pid,
        api.inspect("killed").await.container.state.pid,
    ];
    host.kill();
    let killed = pids[1].and_then(|pid| u32::try_from(pid).ok()).expect("it runs");
    assert!(harness::signal(killed, "KILL"));
    for pid in pids.into_iter().flatten() {
        let gone = wait_until(Duration::from_secs(10), || {
            (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
        });
        assert!(gone.is_some(), "the container goes on without a server");
    }
    std::thread::sleep(Duration::from_millis(1500));
    host.start_again();
    let api = host.api();
    let seven = api.inspect("seven").await.container.state;
    assert_eq!((seven.status, seven.exit_code), (Status::Exited, Some(7)));
    assert_eq!(api.log("seven").await, "last\n");
    let killed = api.inspect("killed").await.container.state;
    assert_eq!(
        (killed.exit_code, killed.signal.as_deref()),
        (Some(137), Some("SIGKILL"))
    );
    // The end, not the moment the server heard of it.
    let ended = api.wait("seven").await.at;
    let now: shared::system::System = api.get("/system").await.expect("the system");
    assert!(
        ended < now.started,
        "{ended} is before the new server's {}",
        now.started
    );
}

#[tokio::test]
async fn a_pull_that_was_cut_off_is_simply_tried_again() {
    let Some(mut host) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    let mut noise = vec![0_u8; 24 << 20];
    let mut state = 7_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let image = Image::busybox().with_files(&[("noise", &noise)]).command(&["true"]);
    let name = registry.push(&image, "big:1").await;
    for pause in [5, 40, 120] {
        let _: Task = host
            .api()
            .send(Method::POST, "/images/pull", &json!({ "reference": name }))
            .await
            .expect("it begins");
        std::thread::sleep(Duration::from_millis(pause));
        host.kill();
        host.start_again();
    }
    let api = host.api();
    let task: Task = api
        .send(Method::POST, "/images/pull", &json!({ "reference": name }))
        .await
        .expect("it begins");
    assert_eq!(api.finish(task).await.state, TaskState::Done);
    let new = NewContainer {
        image: name,
        command: Some(vec!["wc".to_owned(), "-c".to_owned(), "/noise".to_owned()]),
        ..started("count", "")
    };
    api.create(&new).await.expect("it runs");
    api.wait("count").await;
    assert!(api.log("count").await.starts_with("25165824 "));
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_harms_nothing() {
    let Some(host) = host().await else { return };
    let api = host.api();
    api.create(&started("web", "sleep 1000")).await.expect("it runs");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["serve", "--listen", "127.0.0.1:0", "--docker-socket", "none"])
        .arg("--data-dir")
        .arg(host.data_dir())
        .arg("--run-dir")
        .arg(host.dir().join("other"))
        .args(["--cgroup-parent", "/gantry-test-second"])
        .output()
        .expect("the program runs");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(api.inspect("web").await.container.state.status, Status::Running);
}
