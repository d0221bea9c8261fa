//! The shim: one small process per container, the parent of its init and of every
//! exec. It owns their pipes and terminals, writes the log, serves those who
//! attach and records how it all ended, whether a server is there or not.
//!
//! One thread, one epoll loop (`event_loop`); what it says and hears is in
//! `shim-protocol`, which also tells the order of events.
//!
//! ```text
//! Created --Start--> Running --init ended--> Ending --pipes at their end, or 2 s--> Exited
//!    |                                         ^          log and exit.json on disk,
//!    +--Start failed, or init was killed ------+          cgroup gone, server told
//! ```
//!
//! Invariants:
//! - No reader, log or server can make a container wait, with three exceptions: a
//!   disk that is slow, where the container asked for a complete log; the client
//!   that began an exec, for that exec alone; and its own standard input.
//! - What has ended is on disk before anyone is told.
//! - A control connection that closes changes nothing.

mod attach;
mod catch_up;
pub(crate) mod clerk;
mod connection;
mod console;
mod container;
mod control;
mod event_loop;
mod exec;
mod exit_record;
mod launch;
mod log;
pub(crate) mod packer;
mod process;
mod server;
mod stdio;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the shim whose launch channel is the standard input. Its standard error is
/// the file a person reads when a container behaves strangely.
pub(crate) fn run() -> ExitCode {
    match launch::launch() {
        Ok(Some(mut shim)) => match shim.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.context("the shim cannot go on"));
                ExitCode::FAILURE
            }
        },
        // The server was told why.
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error.context("the shim could not begin"));
            ExitCode::FAILURE
        }
    }
}

/// Tells people of something that went wrong and was dealt with.
fn complain(error: &anyhow::Error) {
    use std::io::Write as _;
    // The disk may be full: a complaint that cannot be written must not end the shim.
    let _ = writeln!(
        std::io::stderr(),
        "{} {error:#}",
        model::Timestamp::from_unix_nanos(now_ns())
    );
}

/// Nanoseconds since 1970.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
