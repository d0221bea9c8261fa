//! The native API, by the real program, a real registry and real containers.

mod access;
mod bulk;
mod care;
mod console;
mod containers;
mod files;
mod images;
mod live;
mod logs;
mod openapi;
mod rights;

use harness::{Api, Host, Image};
use shared::create::NewContainer;

/// A server with an image `busybox`; `None` where containers cannot run.
async fn host() -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let api = host.api();
    let task = api
        .upload("/images/load", Image::busybox().archive("busybox:latest"))
        .await
        .expect("the archive is taken");
    assert_eq!(task.state, shared::task::TaskState::Done, "{task:?}");
    Some((host, api))
}

/// A container that runs a line in a shell.
fn sh(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        ..NewContainer::default()
    }
}

/// The same, and started.
fn started(name: &str, line: &str) -> NewContainer {
    NewContainer {
        start: true,
        ..sh(name, line)
    }
}
