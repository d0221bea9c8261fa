//! Clients that hang up in the middle of a changing request: the change is whole, or it never
//! happened.

use crate::{host, line};
use harness::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Sends a request to the Docker socket; dropped, the client has hung up.
fn send(socket: &Path, method: &str, path: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("the socket listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).expect("it is read");
    stream
}

/// Writes so much that a commit of it takes a while, and goes on.
const LARGE: &str = "dd if=/dev/urandom of=/large bs=1M count=96 2>/dev/null; : > /marks/written; sleep 600";

#[tokio::test]
async fn a_commit_whose_client_hangs_up_leaves_nothing_frozen() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    docker.run("web", &line(&host, LARGE)).await;
    docker.until("web", |_| crate::has_mark(&host, "written")).await;
    let client = send(&host.docker_socket(), "POST", "/commit?container=web&repo=left", "{}");
    docker.until("web", |it| it["State"]["Paused"] == true).await;
    drop(client);
    docker.until("web", |it| it["State"]["Paused"] == false).await;
    // The commit went on to its end.
    let end = std::time::Instant::now() + LIMIT;
    while docker.ask(Method::GET, "/images/left/json", None).await.0 != StatusCode::OK {
        assert!(std::time::Instant::now() < end, "the image is not made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_killed_during_a_commit_thaws_what_it_froze_and_nothing_else() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    docker.run("web", &line(&host, LARGE)).await;
    docker.run("paused", &line(&host, "sleep 600")).await;
    docker.until("web", |_| crate::has_mark(&host, "written")).await;
    assert_eq!(docker.post("/containers/paused/pause").await.0, StatusCode::NO_CONTENT);
    let client = send(&host.docker_socket(), "POST", "/commit?container=web&repo=lost", "{}");
    docker.until("web", |it| it["State"]["Paused"] == true).await;
    host.kill();
    drop(client);
    host.start_again();
    let docker = host.docker();
    assert_eq!(docker.inspect("web").await["State"]["Status"], "running");
    assert_eq!(docker.inspect("paused").await["State"]["Status"], "paused");
    // It really runs: a frozen process answers no exec.
    let asked = json!({ "Cmd": ["true"] });
    let (status, made) = docker.ask(Method::POST, "/containers/web/exec", Some(&asked)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(
        docker.post("/containers/paused/unpause").await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_pause_by_a_user_outlives_the_commit_it_came_in() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    docker.run("web", &line(&host, LARGE)).await;
    docker.until("web", |_| crate::has_mark(&host, "written")).await;
    let commit = tokio::spawn({
        let docker = docker.clone();
        async move {
            docker
                .ask(Method::POST, "/commit?container=web&repo=kept", Some(&json!({})))
                .await
        }
    });
    docker.until("web", |it| it["State"]["Paused"] == true).await;
    host.api()
        .act(Method::POST, "/containers/web/pause")
        .await
        .expect("it is paused");
    let (status, why) = commit.await.expect("an answer");
    assert_eq!(status, StatusCode::CREATED, "{why}");
    assert_eq!(docker.inspect("web").await["State"]["Paused"], true);
    assert_eq!(docker.post("/containers/web/unpause").await.0, StatusCode::NO_CONTENT);
}

/// The ids of directories of containers.
fn directories(host: &harness::Host) -> BTreeSet<String> {
    let entries = fs::read_dir(host.data_dir().join("containers")).expect("it is there");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

#[tokio::test]
async fn creations_cut_at_any_moment_leave_no_ghosts() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let body = json!({ "Image": "busybox", "Cmd": ["true"] }).to_string();
    let names: Vec<String> = (0..140).map(|number| format!("cut-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let path = format!("/containers/create?name={name}");
        let client = send(&host.docker_socket(), "POST", &path, &body);
        std::thread::sleep(Duration::from_micros(50 * number as u64));
        drop(client);
    }
    // Each name is a container's by now, or free, or a creation of it is under way.
    let asked: Value = serde_json::from_str(&body).expect("JSON");
    for name in &names {
        let path = format!("/containers/create?name={name}");
        let (status, why) = docker.ask(Method::POST, &path, Some(&asked)).await;
        let expected = [StatusCode::CREATED, StatusCode::CONFLICT];
        assert!(expected.contains(&status), "{name}: {why}");
    }
    // A name that was taken by nobody would never be in the list, nor a ghost's directory.
    let end = std::time::Instant::now() + LIMIT;
    loop {
        let (_, all) = docker.ask(Method::GET, "/containers/json?all=1", None).await;
        let all: Vec<&Value> = all.as_array().into_iter().flatten().collect();
        let of = |field: fn(&Value) -> Option<&str>| -> BTreeSet<String> {
            all.iter().filter_map(|it| field(it).map(str::to_owned)).collect()
        };
        let (ids, listed) = (of(|it| it["Id"].as_str()), of(|it| it["Names"][0].as_str()));
        let missing: Vec<&String> = names
            .iter()
            .filter(|name| !listed.contains(&format!("/{name}")))
            .collect();
        let directories = directories(&host);
        if missing.is_empty() && ids == directories {
            break;
        }
        let late = std::time::Instant::now() >= end;
        assert!(
            !late,
            "missing: {missing:?}, {} listed, {} directories",
            ids.len(),
            directories.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_creation_that_was_cut_is_repeated_by_its_idempotency_key() {
    let Some(host) = host().await else { return };
    let body = json!({ "image": "busybox", "name": "once", "command": ["true"] }).to_string();
    let address = host.url().trim_start_matches("http://").to_owned();
    let token = host.make_token("admin");
    let head = |token: &str| {
        format!(
            "POST /api/v1/containers HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: abc\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for pause in [0, 1, 2, 4] {
        let mut client = std::net::TcpStream::connect(&address).expect("the server listens");
        client.write_all(head(&token).as_bytes()).expect("it is read");
        std::thread::sleep(Duration::from_millis(pause));
    }
    let mut client = std::net::TcpStream::connect(&address).expect("the server listens");
    client.set_read_timeout(Some(LIMIT)).expect("a limit");
    client.write_all(head(&token).as_bytes()).expect("it is read");
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 201");
    assert_eq!(directories(&host).len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_cut_fails_and_the_server_goes_on() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    docker.run("web", &line(&host, "sleep 600")).await;
    for path in ["/containers/web/archive?path=/tmp", "/images/load", "/build"] {
        let method = if path.contains("archive") { "PUT" } else { "POST" };
        for framing in [
            "Content-Length: 1000000\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n400\r\n",
        ] {
            let mut client = UnixStream::connect(host.docker_socket()).expect("the socket listens");
            let head =
                format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\n{framing}");
            client.write_all(head.as_bytes()).expect("it is read");
            client.write_all(&[0x61; 600]).expect("it is read");
        }
    }
    let work = host.data_dir().join("builds/work");
    let over = wait_until(LIMIT, || {
        let empty = fs::read_dir(&work).is_ok_and(|mut entries| entries.next().is_none());
        empty.then_some(())
    });
    assert!(over.is_some(), "work of builds that were cut stays");
    let (status, _) = docker.ask(Method::GET, "/containers/web/json", None).await;
    assert_eq!(status, StatusCode::OK);
}
