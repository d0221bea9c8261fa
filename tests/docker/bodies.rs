//! Request bodies that a route does not read: the answer arrives all the same.

use harness::{Host, Image};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const LIMIT: Duration = Duration::from_secs(60);

/// Sends a request as a simple client does: all of the body, then it reads. `chunked` sends it
/// in small chunks. Answers the status and the text after the header.
async fn send(socket: &Path, path: &str, body: &[u8], chunked: bool) -> (u16, String) {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.expect("the server listens");
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        let header = format!("{path} HTTP/1.1\r\nHost: docker\r\n{framing}\r\n\r\n");
        stream.write_all(header.as_bytes()).await.expect("the header is taken");
        if chunked {
            for piece in body.chunks(32 << 10) {
                let head = format!("{:x}\r\n", piece.len());
                let chunk = [head.as_bytes(), piece, b"\r\n"].concat();
                stream.write_all(&chunk).await.expect("the whole body is taken");
                tokio::task::yield_now().await;
            }
            stream.write_all(b"0\r\n\r\n").await.expect("the whole body is taken");
        } else {
            stream.write_all(body).await.expect("the whole body is taken");
        }
        // The connection stays usable.
        stream
            .write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            .await
            .expect("the next request is taken");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.expect("both answers");
        answers
    };
    let answers = tokio::time::timeout(LIMIT, exchange).await.expect("answers in time");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{path}: {answers}");
    let status = answers[9..12].parse().expect("a status");
    (status, answers)
}

/// A tar with a file, and `padding` zeros behind its end.
fn tar(padding: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    tar.append_data(&mut header, "copied", &b"hello"[..]).expect("memory");
    let mut bytes = tar.into_inner().expect("memory");
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

#[tokio::test]
async fn an_answer_arrives_though_the_route_leaves_the_body_unread() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    let asked = json!({ "Image": "busybox", "Cmd": ["sleep", "1000"] });
    docker.run("web", &asked).await;
    let mut read_only = asked.clone();
    read_only["HostConfig"] = json!({ "ReadonlyRootfs": true });
    docker.run("fixed", &read_only).await;
    let socket = host.docker_socket();
    let long = tar(4 << 20);
    for chunked in [false, true] {
        for (path, body, status, words) in [
            // The archive ends before the body.
            ("PUT /containers/web/archive?path=/tmp", &long, 200, ""),
            ("PUT /containers/web/archive?path=/tmp", &tar(0), 200, ""),
            // Refused before a byte is read.
            ("PUT /containers/fixed/archive?path=/tmp", &long, 403, "read-only"),
            (
                "PUT /containers/nobody/archive?path=/tmp",
                &long,
                404,
                "No such container",
            ),
            ("POST /images/load", &long, 400, "message"),
            // No such route.
            ("POST /networks/create", &long, 501, "networks"),
            // Not JSON.
            ("POST /containers/create", &long, 400, "JSON"),
            ("POST /containers/web/stop?t=nonsense", &long, 400, ""),
        ] {
            let (got, text) = send(&socket, path, body, chunked).await;
            assert_eq!(got, status, "{path}: {text}");
            assert!(text.contains(words), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_answered_without_sending_its_body() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let mut stream = UnixStream::connect(host.docker_socket())
        .await
        .expect("the server listens");
    let header = "PUT /containers/nobody/archive?path=/ HTTP/1.1\r\nHost: docker\r\n\
                  Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(header.as_bytes()).await.expect("the header is taken");
    let mut answer = String::new();
    let reading = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer));
    reading.await.expect("the connection is closed").expect("the answer");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
