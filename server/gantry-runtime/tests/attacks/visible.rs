//! What a process finds in a container of the command line: its descriptors,
//! environment, rights, mounts and devices, and nothing of who started it.

use crate::bundle::{Bundle, Ran};
use crate::hostile::{hostile, with_own_users};
use crate::masked;
use std::path::{Path, PathBuf};

fn expected(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/attacks/expected")
        .join(name)
}

#[test]
fn nothing_of_the_caller_is_visible() {
    let Some(bundle) = hostile("exec attacker look") else {
        return;
    };
    let ran = bundle.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    masked::assert_own_namespaces(&ran.out, &["user", "time"]);
    masked::assert_guarded(&ran.out);
    masked::compare(&masked::masked(&ran.out), &expected("command-line-run.txt"));
}

#[test]
fn nothing_of_the_caller_is_visible_to_an_exec() {
    let Some(bundle) = hostile("echo up; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    let ran = bundle.exec("exec attacker look");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    masked::assert_own_namespaces(&ran.out, &["user", "time"]);
    masked::assert_guarded(&ran.out);
    masked::compare(&masked::masked(&ran.out), &expected("command-line-exec.txt"));
}

#[test]
fn nothing_of_the_caller_is_visible_to_users_of_their_own() {
    let Some(bundle) = hostile("exec attacker look") else {
        return;
    };
    with_own_users(&bundle);
    let ran = bundle.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    masked::assert_own_namespaces(&ran.out, &["time"]);
    masked::assert_guarded(&ran.out);
    masked::compare(&masked::masked(&ran.out), &expected("command-line-own-users.txt"));
}

/// What a process calls itself is shown to whoever lists them: a title, a link or a wiped
/// screen must not come of it.
#[test]
fn no_process_gives_orders_to_the_terminal_that_lists_it() {
    let Some(bundle) = Bundle::new("sleep 1000; : \u{1b}]0;stolen\u{7}\u{1b}[2J\u{9b}2J end") else {
        return;
    };
    bundle.run_detached();
    let listed = Ran::from(bundle.on_it("ps", &[]));
    assert!(
        listed.out.contains("stolen") && listed.out.contains("end"),
        "{listed:?}"
    );
    let order = listed.out.chars().find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(order, None, "{:?}", listed.out);
}
