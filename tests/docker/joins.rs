//! Attach and exec for clients that read the response's header through a buffer and go on with
//! the bare socket: one read takes all that has arrived, and only the header may be in it.

use harness::{Host, Image};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const LIMIT: Duration = Duration::from_secs(60);

/// What the first read got, and all that came behind it. The client reads after `late`.
async fn talk(
    socket: &Path,
    path: &str,
    upgrade: bool,
    body: &Value,
    late: impl Future<Output = ()>,
) -> (String, Vec<u8>) {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.expect("the server listens");
        let body = body.to_string();
        let upgrade = if upgrade {
            "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        } else {
            ""
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: docker\r\n{upgrade}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is taken");
        stream.readable().await.expect("the socket is open");
        late.await;
        let mut first = vec![0; 64 << 10];
        let length = stream.read(&mut first).await.expect("the header");
        first.truncate(length);
        let mut rest = Vec::new();
        if upgrade.is_empty() {
            return (String::from_utf8_lossy(&first).into_owned(), rest);
        }
        stream.read_to_end(&mut rest).await.expect("the output");
        (String::from_utf8_lossy(&first).into_owned(), rest)
    };
    tokio::time::timeout(LIMIT, exchange).await.expect("it ends in time")
}

async fn exec(host: &Host, command: &[&str], terminal: bool) -> String {
    let asked = json!({ "Cmd": command, "AttachStdout": true, "AttachStderr": true, "Tty": terminal });
    let (status, made) = host
        .docker()
        .ask(reqwest::Method::POST, "/containers/web/exec", Some(&asked))
        .await;
    assert_eq!(status, reqwest::StatusCode::CREATED, "{made}");
    made["Id"].as_str().expect("an id").to_owned()
}

/// Ends when the exec has ended: all of its output is written.
async fn ended(host: &Host, exec: &str) {
    let running = async || {
        let path = format!("/exec/{exec}/json");
        let (_, shown) = host.docker().ask(reqwest::Method::GET, &path, None).await;
        shown["ExitCode"].is_null()
    };
    while running().await {
        tokio::task::yield_now().await;
    }
}

async fn server() -> Option<Host> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    let asked = json!({ "Image": "busybox", "Cmd": ["sh", "-c", "echo early; sleep 1000"] });
    docker.run("web", &asked).await;
    Some(host)
}

#[tokio::test]
async fn output_waits_until_a_late_client_has_read_the_header() {
    let Some(host) = server().await else { return };
    let socket = host.docker_socket();
    for terminal in [false, true] {
        let id = exec(&host, &["echo", "hello"], terminal).await;
        let start = json!({ "Detach": false, "Tty": terminal });
        let (header, rest) = talk(&socket, &format!("/exec/{id}/start"), true, &start, ended(&host, &id)).await;
        assert!(
            header.starts_with("HTTP/1.1 101 ") && header.ends_with("\r\n\r\n"),
            "{header}"
        );
        let output: &[u8] = if terminal {
            b"hello\r\n"
        } else {
            b"\x01\0\0\0\0\0\0\x06hello\n"
        };
        assert_eq!(rest, output);
    }
    let id = exec(&host, &["/no/such"], false).await;
    let (header, rest) = talk(
        &socket,
        &format!("/exec/{id}/start"),
        true,
        &json!({}),
        ended(&host, &id),
    )
    .await;
    assert!(header.ends_with("\r\n\r\n"), "{header}");
    assert!(String::from_utf8_lossy(&rest).contains("no such file or directory"));
    host.docker()
        .ask(reqwest::Method::POST, "/containers/web/kill", None)
        .await;
    let path = "/containers/web/attach?logs=1&stdout=1&stderr=1";
    let asked_again = async { drop(host.docker().inspect("web").await) };
    let (header, rest) = talk(&socket, path, true, &json!({}), asked_again).await;
    assert!(
        header.starts_with("HTTP/1.1 101 ") && header.ends_with("\r\n\r\n"),
        "{header}"
    );
    assert_eq!(rest, b"\x01\0\0\0\0\0\0\x06early\n");
}

#[tokio::test]
async fn a_command_that_cannot_run_is_told_in_the_stream_and_by_its_exit_code() {
    let Some(host) = server().await else { return };
    for (command, code, upgrade) in [
        ("/no/such", 127, false),
        ("/etc/passwd", 126, false),
        ("/no/such", 127, true),
        ("/etc/passwd", 126, true),
    ] {
        let id = exec(&host, &[command], false).await;
        let path = format!("/exec/{id}/start");
        let (first, rest) = talk(
            &host.docker_socket(),
            &path,
            upgrade,
            &json!({}),
            std::future::ready(()),
        )
        .await;
        let status = if upgrade { "HTTP/1.1 101 " } else { "HTTP/1.1 200 " };
        assert!(first.starts_with(status), "{first}");
        let text = first + &String::from_utf8_lossy(&rest);
        let reason = if code == 127 {
            "executable file not found in $PATH"
        } else {
            "permission denied"
        };
        assert!(text.contains(command) && text.contains(reason), "{text}");
        let (_, exec) = host
            .docker()
            .ask(reqwest::Method::GET, &format!("/exec/{id}/json"), None)
            .await;
        assert_eq!((&exec["ExitCode"], &exec["Running"]), (&json!(code), &json!(false)));
    }
}
