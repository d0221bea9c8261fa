//! The database is lost, empty or damaged: nothing is deleted, and the rows can be made again.

use crate::{host, started};
use harness::Host;
use shared::container::Status;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn gantry(host: &Host, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(words)
        .arg("--data-dir")
        .arg(host.data_dir())
        .arg("--run-dir")
        .arg(host.dir().join("run"))
        .output()
        .expect("the program runs")
}

/// A start that is refused, and why.
fn refused(host: &Host, switches: &[&str]) -> String {
    let mut words = vec![
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--cgroup-parent",
        host.cgroup_parent(),
    ];
    words.extend(["--subnet", host.subnet()]);
    words.extend(switches);
    let ended = gantry(host, &words);
    assert_eq!(ended.status.code(), Some(1));
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

fn lose_the_database(data_dir: &Path) {
    for name in ["gantry.db", "gantry.db-wal", "gantry.db-shm"] {
        let _ = fs::remove_file(data_dir.join(name));
    }
}

fn lives(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_lost_database_stops_the_start_and_its_rows_are_made_again() {
    let Some(mut host) = host().await else { return };
    let api = host.api();
    let made = api
        .create(&started("web", "echo kept > /kept; sleep 1000"))
        .await
        .expect("it runs");
    api.create(&started("done", "exit 3")).await.expect("it runs");
    api.wait("done").await;
    let pid = api.inspect("web").await.container.state.pid.expect("it runs");
    let _: serde_json::Value = api
        .send(
            reqwest::Method::POST,
            "/volumes",
            &serde_json::json!({ "name": "data" }),
        )
        .await
        .expect("a volume");
    for how in ["lost", "empty"] {
        host.kill();
        lose_the_database(&host.data_dir());
        if how == "empty" {
            fs::write(host.data_dir().join("gantry.db"), "").expect("it can be written");
        }
        for _ in 0..2 {
            let why = refused(&host, &[]);
            assert!(why.contains("gantry.db") && why.contains("gantry rebuild"), "{why}");
        }
        assert!(lives(pid), "it runs on");
        let rebuilt = gantry(&host, &["rebuild"]);
        let told = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
        assert!(rebuilt.status.success(), "{rebuilt:?}");
        assert!(told.contains("as web") && told.contains("as done"), "{told}");
        host.start_again();
        host.sign_in_again();
        let api = host.api();
        let web = api.inspect("web").await.container;
        assert_eq!((web.id.as_str(), web.state.status), (made.id.as_str(), Status::Running));
        assert_eq!(web.state.pid, Some(pid), "it is the same process");
        let done = api.inspect("done").await.container.state;
        assert_eq!((done.status, done.exit_code), (Status::Exited, Some(3)));
        let volumes: serde_json::Value = api.get("/volumes").await.expect("volumes");
        assert_eq!(volumes["items"][0]["name"], "data", "{volumes}");
    }
    // It can be ended and begun again with the files it has.
    let api = host.api();
    api.act(reqwest::Method::POST, "/containers/web/restart?timeout=0")
        .await
        .expect("it restarts");
    let kept: serde_json::Value = api.get("/containers/web/files?path=/kept").await.expect("its files");
    assert_eq!(kept["items"][0]["name"], "kept", "{kept}");
}

#[tokio::test]
async fn files_of_unknown_containers_are_moved_aside_and_come_back() {
    let Some(mut host) = host().await else { return };
    let made = host
        .api()
        .create(&started("web", "echo kept > /kept"))
        .await
        .expect("it runs");
    host.api().wait("web").await;
    host.stop();
    lose_the_database(&host.data_dir());
    host.start_with_switches(&["--forget-everything"]);
    let aside = host.data_dir().join("orphans").join(&made.id);
    assert!(
        aside.join("upper/kept").exists() || aside.join("files/kept").exists(),
        "{}",
        aside.display()
    );
    assert!(!host.data_dir().join("containers").join(&made.id).exists());
    host.stop();
    let rebuilt = gantry(&host, &["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    host.start_again();
    host.sign_in_again();
    let api = host.api();
    assert_eq!(api.inspect("web").await.container.id, made.id);
    // Its image was kept too.
    api.act(reqwest::Method::POST, "/containers/web/start")
        .await
        .expect("it starts");
    api.wait("web").await;
}

#[tokio::test]
async fn a_damaged_database_is_named_with_what_to_do() {
    let Some(mut host) = host().await else { return };
    host.stop();
    let path = host.data_dir().join("gantry.db");
    for damage in [vec![0x55; 8192], b"SQLite format 3\0".repeat(600)] {
        fs::write(&path, damage).expect("it can be written");
        let why = refused(&host, &[]);
        assert!(
            why.contains("gantry.db") && why.contains("damaged") && why.contains("gantry rebuild"),
            "{why}"
        );
    }
    lose_the_database(&host.data_dir());
}
