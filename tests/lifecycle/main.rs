//! Lives of containers, from the first start to the last: what is restarted, when
//! and how often, what a stop means, and how an end is told, by both doors.

use harness::{Host, Image};

async fn host() -> Option<Host> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let archive = Image::busybox().archive("busybox:latest");
    host.api()
        .upload("/images/load", archive)
        .await
        .expect("the archive is taken");
    Some(host)
}

mod stops;
