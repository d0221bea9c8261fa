//! Tests that mount something do so in a mount namespace of their own: each runs once more
//! as a process that was given one. What it mounts goes with it, however it ends.

use std::path::Path;
use std::process::Command;

const APART: &str = "GANTRY_TEST_APART";

/// Whether this is the process that has a namespace of its own; else it was made, and has
/// done what `test` does.
pub(crate) fn apart(test: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    if !harness::can_run_containers() {
        return false;
    }
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().expect("a program"))
        .args(["--exact", test, "--nocapture"])
        .env(APART, "1")
        .status();
    let Ok(done) = done else {
        println!("skipped: needs unshare, of the package util-linux");
        return false;
    };
    assert!(done.success(), "{test} failed in a mount namespace of its own");
    false
}

/// mount(8)
pub(crate) fn mount(arguments: &[&str], place: &Path) {
    let done = Command::new("mount").args(arguments).arg(place).output();
    let done = done.expect("mount(8)");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
