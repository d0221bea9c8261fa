//! Lives of containers, from the first start to the last: what is restarted, when
//! and how often, what a stop means, how healthy it is, what is kept of its log, and
//! how an end is told, by both doors.

mod execs;
mod full_disk;
mod hangups;
mod health;
mod host;
mod logs;
mod restarts;
mod stops;

use harness::{Api, Host, Image};
use model::Timestamp;
use serde_json::{Value, json};
use shared::event::Event;
use shared::list::List;

async fn host() -> Option<Host> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    load_image(&host).await;
    Some(host)
}

async fn load_image(host: &Host) {
    let archive = Image::busybox().archive("busybox:latest");
    host.api()
        .upload("/images/load", archive)
        .await
        .expect("the archive is taken");
}

/// A container that runs a line of a shell, with a directory of the test at `/marks`.
fn line(host: &Host, line: &str) -> Value {
    let marks = host.dir().join("marks");
    std::fs::create_dir_all(&marks).expect("a writable directory");
    json!({
        "Image": "busybox",
        "Cmd": ["sh", "-c", line],
        "HostConfig": { "Binds": [format!("{}:/marks", marks.display())] },
    })
}

fn mark(host: &Host, name: &str) {
    std::fs::write(host.dir().join("marks").join(name), "").expect("a writable directory");
}

fn has_mark(host: &Host, name: &str) -> bool {
    host.dir().join("marks").join(name).exists()
}

/// What was told of a container, oldest first.
async fn events(api: &Api, id: &str) -> Vec<Event> {
    let list: List<Event> = api
        .get(&format!("/events?subject={id}&limit=1000"))
        .await
        .expect("events");
    list.items
}

fn time(event: &Event) -> Timestamp {
    Timestamp::parse_rfc3339(&event.time).expect("a time")
}
