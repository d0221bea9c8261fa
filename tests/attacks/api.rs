//! Web pages, and strangers who reach the port.

use crate::host::{host, host_with, host_with_descriptors, started};
use harness::{Api, Host, PASSWORD, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Signs in as a browser does; the cookie.
async fn cookie(host: &Host) -> String {
    let sign_in = json!({ "username": USER, "password": PASSWORD });
    let nobody = host.api().with_token(None);
    let answer = nobody
        .request(Method::POST, "/session")
        .json(&sign_in)
        .send()
        .await
        .expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    cookie.split(';').next().expect("a pair").to_owned()
}

/// Every operation that the API describes, its path filled with what is not there.
pub(crate) async fn operations(api: &Api) -> Vec<(Method, String)> {
    let document: Value = api.get("/openapi.json").await.expect("it is described");
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let mut filled = String::new();
        for (place, part) in path.split('{').enumerate() {
            filled += if place == 0 {
                part
            } else {
                part.split_once('}').map_or("", |(_, rest)| rest)
            };
            filled += if path.matches('{').count() > place { "none" } else { "" };
        }
        let filled = filled.trim_start_matches("/api/v1").to_owned();
        // Paths with servers of their own, such as /healthz, are not below /api/v1.
        let keys = methods.as_object().expect("methods").keys();
        for key in keys.filter(|_| methods.get("servers").is_none()) {
            if ["get", "put", "post", "patch", "delete"].contains(&key.as_str())
                && let Ok(method) = key.to_uppercase().parse()
            {
                all.push((method, filled.clone()));
            }
        }
    }
    assert!(all.len() > 40, "{all:?}");
    all
}

pub(crate) fn changes((method, _): &(Method, String)) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Raw bytes to the server, and what it answers until it closes or `LIMIT` is over.
fn raw(host: &Host, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.url().trim_start_matches("http://")).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    // The server may refuse before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Cross-site request forgery: the browser of somebody who is signed in sends the cookie
/// along with what another site's page asks for. Every operation that changes something
/// refuses it, each by name, so that a new one cannot be forgotten.
#[tokio::test]
async fn no_page_of_another_site_changes_anything() {
    let Some((host, api)) = host().await else { return };
    let cookie = cookie(&host).await;
    let nobody = api.with_token(None);
    for (method, path) in operations(&api).await.into_iter().filter(changes) {
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            // What a form can send without being asked for permission.
            for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
                let request = nobody.request(method.clone(), &path).header("cookie", cookie.clone());
                let request = request.header(name, value).header("content-type", kind).body("{}");
                let answer = request.send().await.expect("answers");
                assert_eq!(
                    answer.status(),
                    StatusCode::FORBIDDEN,
                    "{method} {path} {name}: {value}"
                );
            }
        }
    }
    assert_eq!(
        nobody
            .request(Method::GET, "/session")
            .header("cookie", cookie)
            .send()
            .await
            .expect("answers")
            .status(),
        StatusCode::OK
    );
}

/// A page of another site may open a WebSocket anywhere: the browser sends the cookie.
#[tokio::test]
async fn no_page_of_another_site_opens_the_socket() {
    let Some((host, _api)) = host().await else { return };
    let cookie = cookie(&host).await;
    let address = host.url().trim_start_matches("http://").to_owned();
    let open = |origin: &str| {
        let request = format!(
            "GET /api/v1/socket HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        String::from_utf8_lossy(&first).into_owned()
    };
    for foreign in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        &format!("http://{address}.evil.example"),
    ] {
        assert_eq!(open(foreign), "HTTP/1.1 403", "{foreign}");
    }
    assert_eq!(open(&format!("http://{address}")), "HTTP/1.1 101");
}

/// DNS rebinding: a page's own name comes to mean this address, so that for the browser it
/// is the same site. A server on loopback only is known by no such name.
#[tokio::test]
async fn a_server_on_loopback_answers_to_no_foreign_name() {
    let Some((host, _api)) = host().await else { return };
    let port = host.url().rsplit(':').next().expect("a port").to_owned();
    let ask = |name: &str, path: &str| {
        let answer = raw(
            &host,
            format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        answer.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    for own in ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "panel.localhost"] {
        assert_eq!(ask(&format!("{own}:{port}"), "/api/v1/setup"), "200", "{own}");
    }
    for foreign in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
        let name = if foreign.is_empty() {
            String::new()
        } else {
            format!("{foreign}:{port}")
        };
        for path in ["/", "/api/v1/setup", "/api/v1/session", "/metrics"] {
            assert_eq!(ask(&name, path), "421", "{foreign} {path}");
        }
    }
    // What cannot be a host is none of a foreign name either.
    assert_eq!(ask(&format!("evil.example:127:{port}"), "/"), "400");
    // Looked at by machines, which know it by all kinds of names.
    assert_eq!(ask("evil.example", "/healthz"), "200");
}

#[tokio::test]
async fn a_name_that_was_allowed_is_answered() {
    let Some((host, _api)) = host_with(&["--allowed-host", "panel.example"]).await else {
        return;
    };
    let ask = |name: &str| {
        raw(
            &host,
            format!("GET /api/v1/setup HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    };
    assert!(ask("panel.example").contains(" 200 "));
    assert!(ask("PANEL.example:443").contains(" 200 "));
    let refused = ask("other.example");
    assert!(
        refused.contains(" 421 ") && refused.contains("--allowed-host"),
        "{refused}"
    );
}

/// No page of another site reads an answer, none shows the panel in a frame.
#[tokio::test]
async fn answers_are_for_our_own_pages_alone() {
    let Some((host, api)) = host().await else { return };
    let nobody = api.with_token(None);
    for path in ["/containers", "/session", "/setup", "/not-there"] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = nobody
                .request(method.clone(), path)
                .header("origin", "http://evil.example");
            let request = request.header("access-control-request-method", "POST");
            let answer = request.send().await.expect("answers");
            let cors = answer
                .headers()
                .keys()
                .filter(|name| name.as_str().starts_with("access-control-"))
                .count();
            assert_eq!(cors, 0, "{method} {path}");
            let header = |name: &str| answer.headers()[name].to_str().expect("text");
            assert_eq!(header("x-frame-options"), "DENY");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
            assert_eq!(header("cache-control"), "no-store", "{path}");
        }
    }
    let page = reqwest::get(host.url()).await.expect("answers");
    assert_eq!(page.headers()["x-frame-options"], "DENY");
}

/// Who reaches the port is asked who they are; the Docker API asks nobody, and so is
/// spoken on its socket alone.
#[tokio::test]
async fn the_docker_api_is_not_spoken_on_the_port() {
    let Some((host, api)) = host().await else { return };
    let browser = reqwest::Client::new();
    for version in ["", "/v1.24", "/v1.47"] {
        for path in [
            "/_ping",
            "/version",
            "/info",
            "/containers/json?all=1",
            "/images/json",
            "/events?until=1",
        ] {
            let answer = browser.get(format!("{}{version}{path}", host.url())).send().await;
            let answer = answer.expect("answers");
            let kind = answer
                .headers()
                .get("content-type")
                .map(|kind| kind.to_str().expect("text").to_owned());
            let is_page = kind.as_deref().is_some_and(|kind| kind.starts_with("text/html"));
            assert!(
                is_page || !answer.status().is_success(),
                "{version}{path}: {} {kind:?}",
                answer.status()
            );
            assert!(answer.headers().get("api-version").is_none(), "{version}{path}");
        }
        for path in [
            "/containers/create?name=taken",
            "/build",
            "/images/create?fromImage=busybox",
            "/volumes/create",
        ] {
            let request = browser.post(format!("{}{version}{path}", host.url()));
            let answer = request
                .json(&json!({ "Image": "busybox", "Name": "taken" }))
                .send()
                .await;
            assert!(!answer.expect("answers").status().is_success(), "{version}{path}");
        }
    }
    let all: Value = api.get("/containers").await.expect("a list");
    assert_eq!(all["items"].as_array().map(Vec::len), Some(0), "{all}");
}

/// A token in an address would be kept by proxies and histories: it is no way in, and is
/// not logged by us.
#[tokio::test]
async fn a_token_in_an_address_is_neither_taken_nor_logged() {
    let Some((host, api)) = host_with(&["--log-level", "trace"]).await else {
        return;
    };
    let token = host.make_token("viewer");
    let nobody = api.with_token(None);
    for name in ["token", "access_token", "authorization", "api_key"] {
        let answer = nobody
            .request(Method::GET, &format!("/containers?{name}={token}"))
            .send()
            .await;
        assert_ne!(answer.expect("answers").status(), StatusCode::OK, "{name}");
    }
    let with = api.with_token(Some(&token));
    assert!(with.get::<Value>("/containers").await.is_ok());
    assert!(!host.log().contains(&token), "the log holds a token");
    assert!(!host.log().contains(PASSWORD), "the log holds a password");
}

/// CVE-2026-34040: a body that is judged when it is still short and used when it is long.
/// The limit is the same for everybody, however the length is told.
#[tokio::test]
async fn a_body_that_is_too_long_is_refused_to_everybody() {
    let Some((host, api)) = host().await else { return };
    let long = format!("{{\"image\": \"{}\"}}", "x".repeat(5 << 20));
    let answer = api
        .request(Method::POST, "/containers")
        .header("content-type", "application/json")
        .body(long.clone());
    assert_eq!(
        answer.send().await.expect("answers").status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    // In chunks, without a length.
    let token = host.make_token("admin");
    for (authorization, expected) in [
        (format!("Authorization: Bearer {token}\r\n"), " 413 "),
        (String::new(), " 401 "),
    ] {
        let mut request = format!(
            "POST /api/v1/containers HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        for piece in long.as_bytes().chunks(64 << 10) {
            let text = std::str::from_utf8(piece).expect("text");
            request.extend([&format!("{:x}", piece.len()), "\r\n", text, "\r\n"]);
        }
        request += "0\r\n\r\n";
        let answer = raw(&host, request.as_bytes());
        assert!(
            answer.is_empty() || answer.contains(expected),
            "{}",
            answer.lines().next().unwrap_or_default()
        );
    }
    // A length and chunks at once is how requests are smuggled past a proxy.
    let both = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(raw(&host, both.as_bytes()).matches("HTTP/1.1 ").count(), 1);
    assert!(host.api().get::<Value>("/containers").await.is_ok());
}

#[tokio::test]
async fn what_is_too_deep_or_has_too_much_of_a_head_is_refused() {
    let Some((host, api)) = host().await else { return };
    for deep in ["[".repeat(200_000), "{\"a\":".repeat(200_000)] {
        let request = api
            .request(Method::POST, "/containers")
            .header("content-type", "application/json")
            .body(deep.clone());
        assert_eq!(request.send().await.expect("answers").status().as_u16() / 100, 4);
        let (status, _) = host
            .docker()
            .ask(Method::POST, "/containers/create", Some(&Value::String(deep)))
            .await;
        assert_eq!(status.as_u16() / 100, 4);
    }
    for head in [format!("X: {}\r\n", "x".repeat(1 << 20)), "X: y\r\n".repeat(50_000)] {
        let answer = raw(
            &host,
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{head}\r\n").as_bytes(),
        );
        assert!(
            answer.is_empty() || answer.contains(" 431 ") || answer.contains(" 400 "),
            "{answer}"
        );
    }
    // With connections of its own: those of before were closed on what they brought.
    assert!(host.api().get::<Value>("/containers").await.is_ok());
}

/// Slow-loris and the like: more connections than a process usually may have, on which
/// little or nothing is said. The engine goes on, and others are answered.
#[tokio::test]
async fn connections_that_say_nothing_shut_nobody_out() {
    let Some((host, _)) = host_with_descriptors(1024).await else {
        return;
    };
    // The other ends are this process's.
    sys::descriptors::raise_limit().expect("more open files");
    let address = host.url().trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for number in 0..1200 {
        let Ok(mut stream) = TcpStream::connect(&address) else {
            break;
        };
        let _ = stream.write_all([&b""[..], b"GET /healthz HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "][number % 3]);
        held.push(stream);
    }
    assert!(held.len() > 1100, "{}: too few to prove anything", held.len());
    // What has been there longest without saying what it wants has to go.

    let api = host.api();
    let created = api.create(&started("still", "echo works")).await.expect("it runs");
    api.wait(&created.id).await;
    assert_eq!(api.log(&created.id).await.trim(), "works");
    let mut first = held.swap_remove(1);
    first.set_read_timeout(Some(LIMIT)).expect("a time limit");
    let mut rest = Vec::new();
    let _ = first.read_to_end(&mut rest);
    assert!(
        !String::from_utf8_lossy(&rest).contains("200 OK"),
        "half a request was answered"
    );
}

/// The same with a body: it comes byte by byte, to a route that is open to everybody, and
/// is given up after half a minute however busy its sender seems.
#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let Some((host, _api)) = host().await else { return };
    let address = host.url().trim_start_matches("http://").to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        // Nothing is read until the end, so reading is what the time passes with.
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .expect("a time limit");
        let head = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 100000\r\n\r\n{\"username\": \"";
        stream.write_all(head.as_bytes()).expect("it is taken");
        let begun = std::time::Instant::now();
        let mut answer = [0; 12];
        while begun.elapsed() < LIMIT {
            let _ = stream.write_all(b"x");
            match stream.read(&mut answer) {
                Ok(length) => return Some((String::from_utf8_lossy(&answer[..length]).into_owned(), begun.elapsed())),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        None
    });
    let (answer, after) = answer.await.expect("no panic").expect("it was read for a minute");
    assert!(answer.is_empty() || answer == "HTTP/1.1 408", "{answer}");
    assert!(
        after > Duration::from_secs(5),
        "who is merely slow gets a chance: {after:?}"
    );
}

/// The Docker socket is root's: its file says who may, and nothing listens anywhere else.
#[tokio::test]
async fn nothing_listens_but_where_it_was_told() {
    use std::os::unix::fs::MetadataExt as _;
    let Some((host, api)) = host().await else { return };
    let socket = std::fs::metadata(host.docker_socket()).expect("it is there");
    assert_eq!(socket.mode() & 0o777, 0o660);
    let run = std::fs::metadata(host.dir().join("run/containers")).expect("it is there");
    assert_eq!(run.mode() & 0o077, 0, "others may enter");
    for kept in ["gantry.db", "containers", "volumes"] {
        let path = host.data_dir().join(kept);
        let below = std::fs::metadata(&path).map_or(0, |found| found.mode() & 0o007);
        let above = std::fs::metadata(host.data_dir()).expect("it is there").mode() & 0o007;
        assert!(below == 0 || above == 0, "others may read {kept}");
    }
    // From a container: not by its gateway, which is an address of the host's.
    let port = host.url().rsplit(':').next().expect("a port").to_owned();
    let line = format!(
        "gateway=$(ip route | awk '/default/ {{print $3}}'); echo by $gateway; nc -w 5 $gateway {port} < /dev/null && echo REACHED; nc -w 5 127.0.0.1 {port} < /dev/null && echo REACHED; echo tried"
    );
    let id = api.create(&started("outside", &line)).await.expect("it runs").id;
    api.wait(&id).await;
    let log = api.log(&id).await;
    assert!(
        log.contains("by 10.") && log.contains("tried") && !log.contains("REACHED"),
        "{log}"
    );
    // Every listening socket of the server's process.
    let tables = ["tcp", "tcp6"]
        .map(|table| std::fs::read_to_string(format!("/proc/{}/net/{table}", host.pid())).unwrap_or_default());
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", host.pid()))
        .expect("it runs")
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut listening = Vec::new();
    for line in tables.iter().flat_map(|table| table.lines().skip(1)) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.get(3) == Some(&"0A") && inodes.iter().any(|inode| fields.get(9) == Some(&inode.as_str())) {
            listening.push(fields[1].to_owned());
        }
    }
    assert_eq!(listening.len(), 1, "{listening:?}");
    assert!(listening[0].starts_with("0100007F:"), "{listening:?}");
}
