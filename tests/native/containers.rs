use crate::{host, sh, started};
use harness::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::container::{Container, Status, StoppedBy, StoppedByKind};
use shared::create::{Created, NewContainer};
use shared::event::Event;
use shared::limits::Limits;
use shared::list::List;
use shared::logs::Page;
use shared::problem::Mistakes;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_container_lives_from_creation_to_removal() {
    let Some((_host, api)) = host().await else { return };
    let port = free_port();
    let line = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www";
    let created = api
        .create(&NewContainer {
            ports: vec![format!("127.0.0.1:{port}:80")],
            ..started("web", line)
        })
        .await
        .expect("it is created");
    assert_eq!(api.inspect("web").await.container.state.status, Status::Running);
    let page = wait_until(Duration::from_secs(10), || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("hello").then_some(text)
    });
    assert!(page.is_some(), "the published port answers");
    for order in [
        "pause",
        "unpause",
        "restart?timeout=0",
        "stop?timeout=0",
        "start",
        "kill",
    ] {
        api.act(Method::POST, &format!("/containers/web/{order}"))
            .await
            .unwrap_or_else(|error| panic!("{order}: {error:?}"));
    }
    api.wait("web").await;
    let details: shared::container::Details = api
        .send(Method::PATCH, "/containers/web", &json!({ "name": "site" }))
        .await
        .expect("it is renamed");
    assert_eq!(details.container.name, "site");
    api.act(Method::DELETE, "/containers/site")
        .await
        .expect("it is removed");
    let gone = api.act(Method::GET, &format!("/containers/{}", created.id)).await;
    assert_eq!(gone.expect_err("it is gone").status, StatusCode::NOT_FOUND);
}

/// A run that somebody stopped has not failed: who it was is told of the container, of its
/// run and by the events.
#[tokio::test]
async fn who_stopped_a_container_is_told() {
    let Some((host, api)) = host().await else { return };
    api.create(&started("web", "sleep 1000")).await.expect("it runs");
    let told = async || api.inspect("web").await.container.state.stopped_by;
    assert_eq!(told().await, None);
    api.act(Method::POST, "/containers/web/stop?timeout=0")
        .await
        .expect("it stops");
    let admin = StoppedBy {
        kind: StoppedByKind::User,
        name: Some("admin".to_owned()),
    };
    assert_eq!(told().await, Some(admin.clone()));
    let page: Page = api.get("/containers/web/logs").await.expect("it is read");
    assert_eq!(page.runs[0].stopped_by, Some(admin));
    let events: List<Event> = api.get("/events?limit=50").await.expect("they are listed");
    let by = |action: &str, name: &str| {
        let mut all = events.items.iter().rev();
        let event = all.find(|event| event.action == action).expect("it is told");
        event.attributes.get(name).cloned()
    };
    assert_eq!(by("stop", "by").as_deref(), Some("admin"));
    assert_eq!(by("die", "stopped_by").as_deref(), Some("admin"));

    // The Docker socket has no users; a start forgets; what ends by itself was stopped by nobody.
    api.act(Method::POST, "/containers/web/start").await.expect("it starts");
    assert_eq!(told().await, None);
    let (status, why) = host.docker().post("/containers/web/kill").await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    api.wait("web").await;
    assert_eq!(told().await.map(|by| by.kind), Some(StoppedByKind::DockerClient));
    api.create(&started("job", "exit 143")).await.expect("it runs");
    api.wait("job").await;
    assert_eq!(api.inspect("job").await.container.state.stopped_by, None);
}

/// A port that is taken is told while the form is filled in, and at its field.
#[tokio::test]
async fn ports_in_use_are_told_at_their_fields() {
    let Some((_host, api)) = host().await else { return };
    let (taken, other) = (free_port(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let new = |name: &str, ports: Vec<String>| NewContainer {
        ports,
        ..started(name, "sleep 1000")
    };
    let web = new("web", vec![format!("127.0.0.1:{taken}:80")]);
    api.create(&web).await.expect("it runs");
    let foreign = other.local_addr().expect("an address").port();
    let ports = vec![
        "8081".to_owned(),
        format!("{taken}:80"),
        format!("127.0.0.1:{foreign}:81"),
    ];
    let found: Mistakes = api
        .send(Method::POST, "/containers/check", &new("second", ports.clone()))
        .await
        .expect("it is checked");
    let fields: Vec<&str> = found.mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, ["ports[1]", "ports[2]"]);
    assert!(found.mistakes[0].message.contains("`web`"), "{found:?}");
    let refused = api.create(&new("second", ports)).await.expect_err("the port is taken");
    let fields = refused.problem.mistakes.iter().map(|mistake| mistake.field.as_str());
    assert_eq!(fields.collect::<Vec<_>>(), ["ports[1]", "ports[2]"]);
}

#[tokio::test]
async fn limits_change_live_and_are_read_back_from_the_kernel() {
    let Some((host, api)) = host().await else { return };
    let new = NewContainer {
        limits: Limits {
            memory_bytes: Some(Some(64 << 20)),
            nano_cpus: Some(Some(500_000_000)),
            ..Limits::default()
        },
        ..started("box", "sleep 1000")
    };
    let created = api.create(&new).await.expect("it is created");
    let memory = || host.cgroup_file(&created.id, &["memory.limit_in_bytes", "memory.max"]);
    assert_eq!(memory().as_deref(), Some("67108864"));
    let more: Limits = api
        .send(
            Method::PATCH,
            "/containers/box/limits",
            &json!({ "memory_bytes": 134_217_728_u64 }),
        )
        .await
        .expect("it is changed");
    assert_eq!(more.memory_bytes, Some(Some(128 << 20)));
    assert_eq!(more.nano_cpus, Some(Some(500_000_000)), "what was not asked for stays");
    assert_eq!(memory().as_deref(), Some("134217728"));
    let less = api
        .send::<Limits>(
            Method::PATCH,
            "/containers/box/limits",
            &json!({ "memory_bytes": 1024 }),
        )
        .await
        .expect_err("it is too little");
    assert_eq!(less.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        memory().as_deref(),
        Some("134217728"),
        "a refused change changes nothing"
    );
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_and_changes_nothing() {
    let Some((_host, api)) = host().await else { return };
    api.create(&sh("taken", "true")).await.expect("it is created");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = listener.local_addr().expect("an address").port();
    let before: List<Container> = api.get("/containers").await.expect("a list");
    let cases: [(&str, NewContainer, u16, &str); 7] = [
        (
            "unknown image",
            NewContainer {
                image: "nowhere/nothing:1".into(),
                ..sh("a1", "true")
            },
            404,
            "nowhere/nothing:1",
        ),
        ("a name already taken", sh("taken", "true"), 409, "taken"),
        (
            "memory below the least",
            NewContainer {
                limits: Limits {
                    memory_bytes: Some(Some(1 << 20)),
                    ..Limits::default()
                },
                ..sh("a2", "true")
            },
            422,
            "6 MiB",
        ),
        (
            "memory above the host's",
            NewContainer {
                limits: Limits {
                    memory_bytes: Some(Some(1 << 50)),
                    ..Limits::default()
                },
                ..sh("a3", "true")
            },
            422,
            "host's",
        ),
        (
            "a port in use",
            NewContainer {
                ports: vec![format!("127.0.0.1:{busy}:80")],
                ..started("a4", "true")
            },
            422,
            "in use",
        ),
        (
            "a missing command",
            NewContainer {
                command: Some(vec!["/no/such/program".into()]),
                ..started("a5", "")
            },
            422,
            "/no/such/program",
        ),
        (
            "a command that is no program",
            NewContainer {
                command: Some(vec!["/etc/passwd".into()]),
                ..started("a6", "")
            },
            422,
            "/etc/passwd",
        ),
    ];
    for (what, new, status, word) in cases {
        let refused = api.create(&new).await.expect_err(what);
        assert_eq!(refused.status.as_u16(), status, "{what}: {:?}", refused.problem);
        assert!(refused.problem.detail.contains(word), "{what}: {:?}", refused.problem);
    }
    let malformed = api
        .request(Method::POST, "/containers")
        .header("content-type", "application/json")
        .body("{\"image\": ")
        .send()
        .await
        .expect("answers");
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    let unknown = api
        .send::<Created>(Method::POST, "/containers", &json!({ "image": "busybox", "memroy": 1 }))
        .await;
    assert!(
        unknown
            .expect_err("the field is unknown")
            .problem
            .detail
            .contains("memroy")
    );
    let after: List<Container> = api.get("/containers").await.expect("a list");
    assert_eq!(after.items, before.items, "nothing changed");
}

#[tokio::test]
async fn a_command_that_cannot_run_ends_with_the_shells_codes() {
    let Some((_host, api)) = host().await else { return };
    for (name, command, code) in [("none", "/no/such/program", 127), ("text", "/etc/passwd", 126)] {
        let new = NewContainer {
            command: Some(vec![command.to_owned()]),
            ..sh(name, "")
        };
        api.create(&new).await.expect("it is created");
        let refused = api.act(Method::POST, &format!("/containers/{name}/start")).await;
        let refused = refused.expect_err("it cannot start");
        assert_eq!(refused.problem.code, "start_failed", "{:?}", refused.problem);
        let state = api.inspect(name).await.container.state;
        assert_eq!((state.status, state.exit_code), (Status::Failed, Some(code)));
    }
}

#[tokio::test]
async fn a_request_sent_twice_creates_once() {
    let Some((_host, api)) = host().await else { return };
    let new = NewContainer {
        name: None,
        ..sh("", "true")
    };
    let send = async || {
        let request = api
            .request(Method::POST, "/containers")
            .header("idempotency-key", "one")
            .json(&new);
        request
            .send()
            .await
            .expect("answers")
            .json::<Created>()
            .await
            .expect("created")
            .id
    };
    assert_eq!(send().await, send().await);
    let all: List<Container> = api.get("/containers").await.expect("a list");
    assert_eq!(all.items.len(), 1);
}

#[tokio::test]
async fn a_list_comes_in_parts_without_gap_or_double() {
    let Some((_host, api)) = host().await else { return };
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(
            api.create(&sh(&format!("c{number}"), "true"))
                .await
                .expect("it is created")
                .id,
        );
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let part: List<Container> = api.get(&format!("/containers?limit=3{cursor}")).await.expect("a list");
        seen.extend(part.items.into_iter().map(|container| container.id));
        match part.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made, "newest first");
    let some: List<Container> = api.get("/containers?q=c3&state=created").await.expect("a list");
    assert_eq!(some.items.len(), 1);
}
