use crate::{host, sh, started};
use harness::{Api, Heard, PASSWORD};
use reqwest::Method;
use serde_json::json;
use shared::container::Process;
use shared::create::NewContainer;
use shared::exec::{Console, Exec, ExecCreated, NewExec};
use shared::list::List;
use shared::socket::{Message, ServerFrame, Topic};

#[tokio::test]
async fn a_shell_in_a_container_is_typed_into_and_resized() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("box", "sleep 1000")).await.expect("it runs");
    let exec: ExecCreated = api
        .send(
            Method::POST,
            "/containers/box/execs",
            &NewExec {
                command: vec!["sh".to_owned()],
                terminal: true,
                stdin: true,
                ..NewExec::default()
            },
        )
        .await
        .expect("it is made");
    let mut socket = api.socket().await;
    let topic = Topic::Exec {
        exec: exec.id.clone(),
        rows: 24,
        cols: 80,
    };
    let ch = socket.channel(topic, None).await;
    socket.write(ch, b"id; stty size\n").await;
    let seen = socket.console_until(ch, "24 80").await;
    assert!(seen.contains("uid=0(root)"), "{seen}");
    socket.send(ch, Message::Resize { rows: 40, cols: 132 }).await;
    socket.write(ch, b"stty size\n").await;
    socket.console_until(ch, "40 132").await;
    socket.write(ch, b"exit 3\n").await;
    let why = loop {
        if let Heard::Frame(ServerFrame::Closed { why, .. }) = socket.next().await {
            break why;
        }
    };
    assert!(why.contains('3'), "{why}");
    let exec: Exec = api.get(&format!("/execs/{}", exec.id)).await.expect("it is known");
    assert_eq!((exec.running, exec.exit_code), (false, Some(3)));
}

/// Makes an operator and signs in.
async fn cookie_of_ann(api: &Api) -> String {
    let ann = json!({ "username": "ann", "password": PASSWORD, "role": "operator" });
    let _: serde_json::Value = api.send(Method::POST, "/users", &ann).await.expect("she is made");
    let sign_in = json!({ "username": "ann", "password": PASSWORD });
    let asked = api.with_token(None).request(Method::POST, "/session").json(&sign_in);
    let answer = asked.send().await.expect("answers");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// An exec of a shell in the container `box`, and the topic that joins it.
async fn shell(api: &Api) -> (ExecCreated, Topic) {
    let new = NewExec {
        command: vec!["sh".to_owned()],
        terminal: true,
        stdin: true,
        ..NewExec::default()
    };
    let exec: ExecCreated = api
        .send(Method::POST, "/containers/box/execs", &new)
        .await
        .expect("it is made");
    let topic = Topic::Exec {
        exec: exec.id.clone(),
        rows: 24,
        cols: 80,
    };
    (exec, topic)
}

#[tokio::test]
async fn a_console_outlives_its_connection_and_ends_with_its_children() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("box", "sleep 1000")).await.expect("it runs");
    let (exec, topic) = shell(&api).await;
    let mut socket = api.socket().await;
    let ch = socket.channel(topic.clone(), None).await;
    socket.write(ch, b"sleep 4321 & name=kept; echo before\n").await;
    socket.console_until(ch, "before\r\n").await;
    drop(socket);

    // The screen comes again, and the shell is the same.
    let consoles: List<Console> = api.get("/containers/box/consoles").await.expect("they are listed");
    assert_eq!(consoles.items.len(), 1, "{consoles:?}");
    assert_eq!(
        (&consoles.items[0].id, consoles.items[0].owner.as_str()),
        (&exec.id, "admin")
    );
    let mut socket = api.socket().await;
    let ch = socket.channel(topic.clone(), None).await;
    socket.console_until(ch, "before\r\n").await;
    socket.write(ch, b"echo is $name\n").await;
    socket.console_until(ch, "is kept").await;

    // Nobody else's, unless an administrator's.
    let nobody = api.with_token(None);
    let path = format!("/execs/{}", exec.id);
    let asked = nobody
        .request(Method::DELETE, &path)
        .header("cookie", cookie_of_ann(&api).await);
    assert_eq!(
        asked.send().await.expect("answers").status(),
        reqwest::StatusCode::FORBIDDEN
    );

    api.act(Method::DELETE, &format!("/execs/{}", exec.id))
        .await
        .expect("it is ended");
    let left = async {
        loop {
            let all: List<Process> = api.get("/containers/box/processes").await.expect("they are listed");
            if !all.items.iter().any(|process| process.command.contains("4321")) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), left)
        .await
        .expect("the children of the shell are gone");
    let exec: Exec = api.get(&format!("/execs/{}", exec.id)).await.expect("it is known");
    assert!(!exec.running);
}

#[tokio::test]
async fn the_main_process_is_joined_and_its_input_ended() {
    let Some((_host, api)) = host().await else { return };
    let new = NewContainer {
        stdin_open: true,
        start: true,
        ..sh("cat", "cat; echo done >&2")
    };
    api.create(&new).await.expect("it runs");
    let mut socket = api.socket().await;
    let topic = Topic::Attach {
        container: "cat".to_owned(),
        rows: 24,
        cols: 80,
    };
    let ch = socket.channel(topic, None).await;
    loop {
        if let Heard::Frame(ServerFrame::Opened { .. }) = socket.next().await {
            break;
        }
    }
    socket.write(ch, b"hello\n").await;
    socket.console_until(ch, "hello").await;
    socket.send(ch, Message::EndOfInput).await;
    socket.console_until(ch, "done").await;
    assert_eq!(api.wait("cat").await.exit_code, 0);
    assert_eq!(api.log("cat").await, "hello\ndone\n");
}
