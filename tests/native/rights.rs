//! Rights over what runs already, and rights that are taken away while they are used.

use crate::{host, sh, started};
use harness::{Api, Heard, Host, Socket};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::create::NewContainer;
use shared::exec::{ExecCreated, NewExec};
use shared::socket::{ServerFrame, Topic};
use shared::user::User;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const EVE_PASSWORD: &str = "staple battery horse";

/// A user of this role, and a client with a token that may as much.
async fn eve(api: &Api, role: &str) -> (User, Api) {
    let new = json!({ "username": "eve", "password": EVE_PASSWORD, "role": role });
    let user: User = api.send(Method::POST, "/users", &new).await.expect("eve is made");
    let sign_in = json!({ "username": "eve", "password": EVE_PASSWORD });
    let signed_in = api
        .with_token(None)
        .request(Method::POST, "/session")
        .json(&sign_in)
        .send()
        .await
        .expect("answers");
    let cookie = signed_in.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let token = api
        .with_token(None)
        .request(Method::POST, "/tokens")
        .header("cookie", cookie)
        .json(&json!({ "name": "eve's", "role": role }))
        .send()
        .await
        .expect("answers");
    let token: Value = token.json().await.expect("a token");
    let secret = token["secret"].as_str().expect("a secret").to_owned();
    (user, api.with_token(Some(&secret)))
}

async fn status(api: &Api, method: Method, path: &str, body: Option<Value>) -> StatusCode {
    let request = api.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.expect("answers").status()
}

#[tokio::test]
async fn an_operator_works_in_no_container_that_opens_the_host() {
    let Some((host, api)) = host().await else { return };
    let operator = api.with_token(Some(&host.make_token("operator")));
    let dir = tempfile::tempdir().expect("a directory");
    let bound = NewContainer {
        mounts: vec![
            serde_json::from_value(json!({ "kind": "bind", "source": dir.path(), "target": "/host" }))
                .expect("a mount"),
        ],
        ..started("bound", "sleep 1000")
    };
    let capable = NewContainer {
        cap_add: vec!["SYS_ADMIN".to_owned()],
        ..started("capable", "sleep 1000")
    };
    let privileged = NewContainer {
        privileged: true,
        ..started("privileged", "sleep 1000")
    };
    let confined = started("confined", "sleep 1000");
    for new in [&bound, &capable, &privileged, &confined] {
        api.create(new).await.expect("an administrator creates it");
    }
    for (name, expected) in [
        ("bound", Some(StatusCode::FORBIDDEN)),
        ("capable", Some(StatusCode::FORBIDDEN)),
        ("privileged", Some(StatusCode::FORBIDDEN)),
        ("confined", None),
    ] {
        for (method, path, body) in [
            (Method::POST, "/execs", Some(json!({ "command": ["id"] }))),
            (Method::GET, "/archive?path=/host", None),
            (Method::GET, "/files?path=/", None),
            (Method::GET, "/export", None),
            (Method::PUT, "/archive?path=/", Some(json!("no archive"))),
            (Method::POST, "/commit", Some(json!({ "reference": "taken:1" }))),
            (Method::POST, "/start", None),
            (Method::POST, "/restart?timeout=0", None),
            (Method::PATCH, "", Some(json!({ "restart": { "policy": "always" } }))),
            (Method::PATCH, "/limits", Some(json!({ "pids": 100 }))),
        ] {
            let path = format!("/containers/{name}{path}");
            let answer = status(&operator, method.clone(), &path, body).await;
            match expected {
                Some(expected) => assert_eq!(answer, expected, "{method} {path}"),
                None => assert_ne!(answer, StatusCode::FORBIDDEN, "{method} {path}"),
            }
        }
    }
    for action in ["start", "restart"] {
        for targets in [json!({ "ids": ["confined", "bound"] }), json!({ "filter": {} })] {
            let mut asked = targets;
            asked["action"] = json!(action);
            let answer = status(&operator, Method::POST, "/containers/bulk", Some(asked.clone())).await;
            assert_eq!(answer, StatusCode::FORBIDDEN, "{asked}");
        }
    }
    // Nor by the socket, with an exec that an administrator made.
    let exec: ExecCreated = api
        .send(Method::POST, "/containers/bound/execs", &json!({ "command": ["id"] }))
        .await
        .expect("an administrator makes it");
    let mut socket = operator.socket().await;
    let (rows, cols) = (24, 80);
    for topic in [
        Topic::Attach {
            container: "bound".to_owned(),
            rows,
            cols,
        },
        Topic::Exec {
            exec: exec.id.clone(),
            rows,
            cols,
        },
    ] {
        let ch = socket.channel(topic, None).await;
        assert_eq!(refusal(&mut socket, ch).await, "forbidden");
    }
    // What only ends a container is theirs.
    let stopped = status(&operator, Method::POST, "/containers/bound/stop?timeout=0", None).await;
    assert_eq!(stopped, StatusCode::NO_CONTENT);
    drop(host);
}

/// The code of the problem that ends a channel.
async fn refusal(socket: &mut Socket, channel: u32) -> String {
    loop {
        match socket.next().await {
            Heard::Frame(ServerFrame::Problem { ch, code, .. }) if ch == channel => return code,
            Heard::Frame(ServerFrame::Closed { ch, why }) if ch == channel => panic!("closed: {why}"),
            _ => {}
        }
    }
}

async fn shell(api: &Api, socket: &mut Socket, container: &str) -> u32 {
    let new = NewExec {
        command: vec!["sh".to_owned()],
        terminal: true,
        stdin: true,
        ..NewExec::default()
    };
    let path = format!("/containers/{container}/execs");
    let exec: ExecCreated = api.send(Method::POST, &path, &new).await.expect("it is made");
    let topic = Topic::Exec {
        exec: exec.id,
        rows: 24,
        cols: 80,
    };
    let ch = socket.channel(topic, None).await;
    socket.write(ch, b"echo re''ady\n").await;
    socket.console_until(ch, "ready").await;
    ch
}

#[tokio::test]
async fn a_role_that_is_taken_away_closes_consoles_at_once() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("box", "sleep 1000")).await.expect("it runs");
    let (user, eve) = eve(&api, "operator").await;
    let mut socket = eve.socket().await;
    let ch = shell(&eve, &mut socket, "box").await;
    let spare: ExecCreated = eve
        .send(Method::POST, "/containers/box/execs", &json!({ "command": ["sh"] }))
        .await
        .expect("it is made");
    let path = format!("/users/{}", user.id);
    let _: User = api
        .send(Method::PATCH, &path, &json!({ "role": "viewer" }))
        .await
        .expect("the role is changed");
    let topic = Topic::Exec {
        exec: spare.id,
        rows: 24,
        cols: 80,
    };
    let second = socket.channel(topic, None).await;
    assert_eq!(refusal(&mut socket, ch).await, "forbidden");
    assert_eq!(refusal(&mut socket, second).await, "forbidden");
    // What a viewer may see goes on over the same socket.
    let events = socket.channel(Topic::Events, None).await;
    loop {
        match socket.next().await {
            Heard::Frame(ServerFrame::Opened { ch }) if ch == events => break,
            Heard::Frame(ServerFrame::Problem { ch, detail, .. }) if ch == events => panic!("{detail}"),
            _ => {}
        }
    }
}

/// Follows the events until the stream ends, once `withdraw` has taken the access away.
async fn ends_after(eve: &Api, withdraw: impl Future<Output = ()>) {
    let mut answer = eve
        .request(Method::GET, "/events/follow")
        .send()
        .await
        .expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
    let waits = eve.request(Method::GET, "/containers/box/wait").send();
    let waits = tokio::spawn(waits);
    withdraw.await;
    let ended = async {
        loop {
            match answer.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an answer that is broken off must not look complete"),
                Err(_) => return,
            }
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the stream ends");
    let waited = tokio::time::timeout(LIMIT, waits).await.expect("the request ends");
    let waited = waited.expect("no panic").expect("answers");
    assert_eq!(waited.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn answers_that_go_on_end_with_the_token_the_password_and_the_user() {
    let Some((host, api)) = host().await else { return };
    api.create(&started("box", "sleep 1000")).await.expect("it runs");
    let (user, eves) = eve(&api, "operator").await;
    let path = format!("/users/{}", user.id);
    ends_after(&eves, async {
        let tokens: Value = eves.get("/tokens").await.expect("lists");
        let id = tokens["items"][0]["id"].as_str().expect("an id").to_owned();
        api.act(Method::DELETE, &format!("{path}/tokens/{id}"))
            .await
            .expect("an administrator revokes it");
    })
    .await;
    api.act(Method::DELETE, &path).await.expect("eve is removed");
    let (user, eves) = eve(&api, "viewer").await;
    let path = format!("/users/{}", user.id);
    ends_after(&eves, async {
        let _: User = api
            .send(Method::PATCH, &path, &json!({ "password": "another long one" }))
            .await
            .expect("the password is reset");
    })
    .await;
    assert_eq!(
        status(&eves, Method::GET, "/session", None).await,
        StatusCode::UNAUTHORIZED
    );
    api.act(Method::DELETE, &path).await.expect("eve is removed");
    let (user, eves) = eve(&api, "viewer").await;
    ends_after(&eves, async {
        api.act(Method::DELETE, &format!("/users/{}", user.id))
            .await
            .expect("eve is removed");
    })
    .await;
    drop::<Host>(host);
}

#[tokio::test]
async fn a_viewer_sees_no_value_of_a_variable() {
    const SECRET: &str = "hunter2-is-the-secret";
    let Some((host, api)) = host().await else { return };
    let viewer = api.with_token(Some(&host.make_token("viewer")));
    let operator = api.with_token(Some(&host.make_token("operator")));
    let dockerfile = format!("FROM busybox\nARG TOKEN=a{SECRET}\nENV KEY=b{SECRET}\nRUN echo c$TOKEN $KEY\n");
    let build: Value = api
        .send(
            Method::POST,
            "/builds",
            &json!({ "dockerfile": dockerfile, "tags": ["secret:1"], "args": { "TOKEN": format!("d{SECRET}") } }),
        )
        .await
        .expect("it begins");
    let id = build["id"].as_str().expect("an id").to_owned();
    let path = format!("/builds/{id}");
    let over = async {
        loop {
            let build: Value = api.get(&path).await.expect("is known");
            match build["build"]["state"].as_str() {
                Some("running") => tokio::time::sleep(Duration::from_millis(20)).await,
                Some("done") => return,
                _ => panic!("{build}"),
            }
        }
    };
    tokio::time::timeout(LIMIT, over).await.expect("the build ends");
    let new = NewContainer {
        env: vec![shared::create::EnvEntry {
            name: "PASSWORD".to_owned(),
            value: SECRET.to_owned(),
        }],
        image: "secret:1".to_owned(),
        ..sh("box", "true")
    };
    api.create(&new).await.expect("it is made");
    let build_paths = ["", "/log", "/log/follow"].map(|part| format!("/builds/{id}{part}"));
    let paths = [
        "/containers/box",
        "/containers/box/environment",
        "/containers",
        "/images",
        "/images/secret:1",
        "/images/secret:1/save",
        "/images/tree",
        "/builds",
        "/builds/cache",
        "/events",
        "/tasks",
    ];
    for path in paths.map(str::to_owned).iter().chain(&build_paths) {
        let answer = viewer.request(Method::GET, path).send().await.expect("answers");
        let text = answer.bytes().await.expect("the answer is whole");
        let found = text.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!found, "{path}: {}", String::from_utf8_lossy(&text));
    }
    // Nor does an operator who did not ask for it; and asking is recorded.
    let details = operator.inspect("box").await;
    assert!(details.spec.env.iter().all(|variable| variable.value.is_none()));
    assert!(details.spec.env.iter().any(|variable| variable.name == "PASSWORD"));
    let refused = viewer
        .get::<Value>("/containers/box/environment")
        .await
        .expect_err("not a viewer");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let shown: Value = operator.get("/containers/box/environment").await.expect("is shown");
    assert!(shown.to_string().contains(SECRET), "{shown}");
    let events: Value = viewer.get("/events").await.expect("lists");
    let recorded = events["items"].as_array().expect("a list").iter().any(|event| {
        event["action"] == "reveal_environment"
            && event["attributes"]["by"] == harness::USER
            && event["attributes"]["name"] == "box"
    });
    assert!(recorded, "{events}");
}
