use crate::{host, sh, started};
use harness::Heard;
use reqwest::Method;
use shared::create::NewContainer;
use shared::exec::{Exec, ExecCreated, NewExec};
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
