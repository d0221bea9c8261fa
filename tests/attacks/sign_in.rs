//! Guessing, crowding out, and pretending to be somebody else at the door.

use crate::host::{host, host_with};
use harness::{Api, Host, PASSWORD, USER};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

async fn sign_in(nobody: &Api, user: &str, password: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = nobody
        .request(Method::POST, "/session")
        .json(&json!({ "username": user, "password": password }));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("answers")
}

fn cookie_of(answer: &Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// Guesses from one address, until it is told to wait.
async fn guess(nobody: &Api, user: &str, headers: &[(&str, &str)]) {
    for number in 0..20 {
        let answer = sign_in(nobody, user, &format!("guess number {number}"), headers).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return;
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    panic!("20 guesses were judged");
}

/// Behind a proxy all clients have its address, unless the server is told to believe it.
#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let Some((host, api)) = host_with(&["--trusted-proxy", "127.0.0.1"]).await else {
        return;
    };
    let nobody = api.with_token(None);
    guess(&nobody, USER, &[("x-forwarded-for", "203.0.113.9")]).await;
    // What a client writes into the header itself stands further left.
    let pretends = [("x-forwarded-for", "198.51.100.7, 203.0.113.9")];
    let began = Instant::now();
    let answer = sign_in(&nobody, USER, PASSWORD, &pretends).await;
    assert!(
        answer.status() == StatusCode::TOO_MANY_REQUESTS || began.elapsed() > Duration::from_secs(1),
        "{}",
        answer.status()
    );
    let other = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")];
    let answer = sign_in(&nobody, USER, PASSWORD, &other).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.contains("; Secure"), "{cookie}");
    let kept = answer.headers()["strict-transport-security"].to_str().expect("text");
    assert!(kept.starts_with("max-age="), "{kept}");
    let sessions = nobody
        .request(Method::GET, "/sessions")
        .header("cookie", cookie_of(&answer))
        .send();
    let sessions: Value = sessions.await.expect("answers").json().await.expect("a list");
    assert_eq!(sessions["items"][0]["address"], "198.51.100.7");
    drop(host);
}

#[tokio::test]
async fn nobody_else_says_where_a_request_comes_from() {
    let Some((host, api)) = host().await else { return };
    let pretends = [
        ("x-forwarded-for", "198.51.100.7"),
        ("forwarded", "for=198.51.100.7;proto=https"),
        ("x-forwarded-proto", "https"),
    ];
    let answer = sign_in(&api.with_token(None), USER, PASSWORD, &pretends).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("strict-transport-security"));
    let sessions = api
        .with_token(None)
        .request(Method::GET, "/sessions")
        .header("cookie", cookie_of(&answer))
        .send();
    let sessions: Value = sessions.await.expect("answers").json().await.expect("a list");
    assert_eq!(sessions["items"][0]["address"], "127.0.0.1");
    drop(host);
}

/// Whoever may ask anonymously must not lock those out who have a password.
#[tokio::test]
async fn guesses_for_invented_names_lock_nobody_out() {
    let Some((host, api)) = host().await else { return };
    let nobody = api.with_token(None);
    for name in ["invented", "another", "a-third"] {
        guess(&nobody, name, &[]).await;
    }
    assert_eq!(sign_in(&nobody, USER, PASSWORD, &[]).await.status(), StatusCode::OK);
    drop(host);
}

/// Guesses side by side are not more guesses, and leave room for a user whose address the
/// server knows.
#[tokio::test]
async fn a_crowd_of_guesses_is_not_judged_and_leaves_a_place_for_a_known_user() {
    let Some((host, api)) = host_with(&["--trusted-proxy", "127.0.0.1"]).await else {
        return;
    };
    let nobody = api.with_token(None);
    let own = [("x-forwarded-for", "198.51.100.7")];
    assert_eq!(sign_in(&nobody, USER, PASSWORD, &own).await.status(), StatusCode::OK);
    let began = Instant::now();
    let guesses: Vec<_> = (0..150)
        .map(|number| {
            let nobody = nobody.clone();
            tokio::spawn(async move {
                let from = [("x-forwarded-for", "203.0.113.9")];
                let answer = sign_in(&nobody, USER, &format!("guess number {number}"), &from).await;
                (answer.status(), answer.headers().contains_key("retry-after"))
            })
        })
        .collect();
    assert_eq!(sign_in(&nobody, USER, PASSWORD, &own).await.status(), StatusCode::OK);
    let mut judged = 0;
    for guess in guesses {
        match guess.await.expect("no panic") {
            (StatusCode::UNAUTHORIZED, _) => judged += 1,
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, true) => {}
            (other, tells_when) => panic!("{other}, says when to try again: {tells_when}"),
        }
    }
    // Two more where the machine is so slow that the first waits pass meanwhile.
    let passed = began.elapsed().as_secs() / 2;
    assert!(judged <= 5 + passed, "{judged} were judged");
    drop(host);
}

#[tokio::test]
async fn a_huge_name_is_refused_with_a_problem_document() {
    let Some((host, api)) = host().await else { return };
    let answer = sign_in(&api.with_token(None), &"x".repeat(3 << 20), "a password", &[]).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let long = sign_in(&api.with_token(None), &"x".repeat(300), "a password", &[]).await;
    assert_eq!(long.status(), StatusCode::UNAUTHORIZED);
    drop(host);
}

/// Another site of the same domain can set cookies for this one, in front of ours too.
#[tokio::test]
async fn a_cookie_that_is_no_session_hides_none_and_two_sessions_are_none() {
    let Some((host, api)) = host().await else { return };
    let nobody = api.with_token(None);
    let eve = json!({ "username": "eve", "password": "staple battery horse", "role": "viewer" });
    let _: Value = api.send(Method::POST, "/users", &eve).await.expect("eve is made");
    let own = cookie_of(&sign_in(&nobody, USER, PASSWORD, &[]).await);
    let eves = cookie_of(&sign_in(&nobody, "eve", "staple battery horse", &[]).await);
    for (cookies, status) in [
        (format!("gantry_session=x; {own}"), StatusCode::OK),
        (format!("{own}; gantry_session=x"), StatusCode::OK),
        (format!("{own}; {own}"), StatusCode::OK),
        (format!("{eves}; {own}"), StatusCode::UNAUTHORIZED),
        (format!("{own}; {eves}"), StatusCode::UNAUTHORIZED),
    ] {
        let request = nobody.request(Method::GET, "/session").header("cookie", &cookies);
        assert_eq!(request.send().await.expect("answers").status(), status, "{cookies}");
    }
    drop(host);
}

fn connect(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.url().trim_start_matches("http://")).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream
}

#[tokio::test]
async fn a_request_that_names_two_hosts_or_none_is_refused() {
    let Some((host, _api)) = host().await else { return };
    for hosts in [
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: user@localhost\r\n",
        "Host: local host\r\n",
        "",
    ] {
        let mut stream = connect(&host);
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts:?}: {answer}");
    }
}

/// A frame as a client sends it: masked, with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        // The length follows in 64 bits.
        Ok(_) | Err(_) => {
            frame.push(0xFF);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// RFC 6455, section 7.4.1
#[tokio::test]
async fn a_client_that_breaks_the_websocket_protocol_is_told_how() {
    let Some((host, _api)) = host().await else { return };
    let token = host.make_token("viewer");
    for (what, bytes, code) in [
        ("a reserved bit", frame(0xC1, b"{}"), 1002),
        ("an unknown opcode", frame(0x83, b"{}"), 1002),
        ("no mask", b"\x81\x02{}".to_vec(), 1002),
        ("text that is no UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("a message of 2 MiB", frame(0x82, &vec![0; 2 << 20]), 1009),
    ] {
        let mut stream = connect(&host);
        let request = format!(
            "GET /api/v1/socket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the head comes");
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        // The server may close before it has read all.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let close = answer.windows(4).find(|part| part[0] == 0x88);
        let close = close.unwrap_or_else(|| panic!("{what}: no close frame in {answer:?}"));
        assert_eq!(u16::from_be_bytes([close[2], close[3]]), code, "{what}");
    }
}
