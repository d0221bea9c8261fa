//! The panel, used as a person uses it: a real browser, the real server, a real
//! registry and real containers.

mod attached;
mod browser;
mod connection;
mod forms;
mod hostile;
mod log;
mod sessions;
mod story;
mod terminal;

use harness::{Host, Image};

/// A server with its panel; `None` where a container or a browser cannot run.
async fn host() -> Option<Host> {
    if !harness::can_run_containers() || !browser::is_there() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let page = reqwest::get(host.url()).await.expect("the server answers");
    if !page.status().is_success() {
        println!("skipped: needs the built panel; run `cargo xtask ui` first");
        return None;
    }
    let archive = Image::busybox().archive("busybox:latest");
    host.api()
        .upload("/images/load", archive)
        .await
        .expect("the archive is taken");
    Some(host)
}
