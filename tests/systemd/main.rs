//! Control groups where systemd owns the tree: scopes that it makes for the OCI command
//! line, and the part of it that a server was given. `cargo xtask test-vm --systemd` boots
//! a Debian for it; on other hosts that systemd runs on a pure v2 tree it works as well.

mod scopes;
mod server;

use std::path::Path;
use std::process::Command;

const TREE: &str = "/sys/fs/cgroup";

/// Whether systemd owns the whole tree here; says why not.
fn is_systemds() -> bool {
    if !harness::can_run_containers() {
        return false;
    }
    let booted = Path::new("/run/systemd/system").exists();
    let unified = Path::new(TREE).join("cgroup.controllers").exists();
    if !booted || !unified {
        println!("skipped: needs systemd on a pure v2 tree; `cargo xtask test-vm --systemd` boots one");
    }
    booted && unified
}

fn read(path: impl AsRef<Path>) -> String {
    let text = std::fs::read_to_string(path.as_ref());
    text.map_or_else(|error| format!("{error}"), |text| text.trim().to_owned())
}

/// What a program printed; it must succeed.
#[track_caller]
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it is there");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A property of a unit.
#[track_caller]
fn property(unit: &str, name: &str) -> String {
    output("systemctl", &["show", "--value", "--property", name, unit])
}
