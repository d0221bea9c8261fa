//! Standard streams that are files of the host. Whoever owns a file may change its mode:
//! given `/dev/null`, a container stops most programs of the host.
//!
//! The nodes are made for the tests; the host's own are never passed on.

use crate::bundle::Bundle;
use crate::hostile::{hostile, with_own_users, without_mount};
use serde_json::json;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USER: u32 = 4711;

fn make_node(path: &Path, arguments: &[&str]) {
    let made = Command::new("/bin/busybox")
        .args(["mknod", "-m", "666"])
        .arg(path)
        .args(arguments)
        .status()
        .unwrap();
    assert!(made.success());
}

fn opened(path: &Path) -> Stdio {
    File::options().read(true).write(true).open(path).unwrap().into()
}

/// A file of each kind that a caller may pass on.
fn files_of_the_host(bundle: &Bundle) -> Vec<PathBuf> {
    let file = |name: &str| bundle.beside(name);
    for (name, arguments) in [
        ("null", &["c", "1", "3"][..]),
        ("zero", &["c", "1", "5"]),
        ("full", &["c", "1", "7"]),
        ("urandom", &["c", "1", "9"]),
        ("fifo", &["p"]),
    ] {
        make_node(&file(name), arguments);
    }
    fs::write(file("regular"), "").unwrap();
    ["null", "zero", "full", "urandom", "fifo", "regular"].map(file).into()
}

#[track_caller]
fn assert_untouched(path: &Path) {
    let found = fs::metadata(path).unwrap();
    let mode = if found.file_type().is_file() { 0o644 } else { 0o666 };
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o7777),
        (0, 0, mode),
        "{}",
        path.display()
    );
}

const SEIZE: &str = "chmod 000 /proc/self/fd/0; chmod 000 /proc/self/fd/1; chown 4711 /proc/self/fd/0; exit 0";

/// Passes each file of the host on as all three streams of a container, then of an exec.
fn pass_on(prepare: fn(&Bundle)) {
    let Some(bundle) = hostile(SEIZE) else { return };
    bundle.edit(|config| config["process"]["user"] = json!({"uid": USER, "gid": USER}));
    prepare(&bundle);
    let files = files_of_the_host(&bundle);
    let pass = |command: &mut Command, file: &Path| {
        let output = command.stdin(opened(file)).stdout(opened(file)).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_untouched(file);
    };
    for file in &files {
        pass(&mut bundle.run_command(), file);
    }
    bundle.edit(|config| config["process"]["args"] = json!(["/bin/sleep", "600"]));
    bundle.run_detached();
    for file in &files {
        pass(&mut bundle.command(&["exec", &bundle.id, "/bin/sh", "-c", SEIZE]), file);
    }
}

#[test]
fn files_of_the_host_stay_the_hosts() {
    pass_on(|_| {});
}

#[test]
fn files_of_the_host_stay_the_hosts_beside_users_of_a_user_namespace() {
    pass_on(with_own_users);
}

/// Root of a container has the number of the node's owner: without another user namespace
/// only the descriptor can keep it from changing the mode.
#[test]
fn root_of_a_container_cannot_change_the_callers_devices() {
    const DEVICES: [&str; 4] = ["null", "zero", "full", "urandom"];
    let without_null = |bundle: &Bundle| without_mount(bundle, "/dev");
    for prepare in [|_: &Bundle| {}, without_null] {
        let Some(bundle) = hostile("rm -f /dev/null; chmod 000 /proc/self/fd/0; chown 5:5 /proc/self/fd/0; exit 0")
        else {
            return;
        };
        prepare(&bundle);
        files_of_the_host(&bundle);
        for name in DEVICES {
            let ran = bundle
                .run_command()
                .stdin(opened(&bundle.beside(name)))
                .output()
                .unwrap();
            assert!(ran.status.success(), "{ran:?}");
            assert_untouched(&bundle.beside(name));
        }
        // The container takes its own null away, then its caller begins a process in it.
        bundle.edit(|config| {
            config["process"]["args"] = json!(["/bin/sh", "-c", "rm /dev/null; echo up; exec sleep 600"]);
        });
        bundle.run_detached();
        bundle.until("up", |bundle| bundle.output().contains("up"));
        for name in DEVICES {
            let seize = "chmod 000 /proc/self/fd/0; chown 5:5 /proc/self/fd/0; exit 0";
            let mut exec = bundle.command(&["exec", &bundle.id, "/bin/sh", "-c", seize]);
            let ran = exec.stdin(opened(&bundle.beside(name))).output().unwrap();
            assert!(ran.status.success(), "{ran:?}");
            assert_untouched(&bundle.beside(name));
        }
    }
}

/// What the container has at `/dev/null` takes the place of the caller's only if it is one.
#[test]
fn a_false_null_takes_no_ones_place() {
    let Some(bundle) = hostile("echo up; exec sleep 600") else {
        return;
    };
    make_node(&bundle.beside("null"), &["c", "1", "3"]);
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    for place in [
        "ln -s /gathered /dev/null",
        "mkfifo /dev/null",
        "touch /dev/null",
        "mknod /dev/null c 1 5",
        "ln -s zero /dev/null",
    ] {
        let replaced = bundle.exec(&format!("rm -f /dev/null; {place}; touch /gathered"));
        assert_eq!(replaced.code, Some(0), "{replaced:?}");
        let mut exec = bundle.command(&["exec", &bundle.id, "/bin/stat", "-L", "-c", "%t:%T", "/proc/self/fd/0"]);
        let ran = exec.stdin(opened(&bundle.beside("null"))).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "1:3", "{place}: {ran:?}");
    }
}

/// A socket's owner is not changed either: the kernel takes it for the sender of packets.
#[test]
fn a_socket_of_the_caller_keeps_its_owner() {
    let Some(bundle) = hostile("stat -L -c %u /proc/self/fd/0") else {
        return;
    };
    bundle.edit(|config| config["process"]["user"] = json!({"uid": USER, "gid": USER}));
    let (near, _far) = UnixStream::pair().unwrap();
    let ran = bundle.run_command().stdin(OwnedFd::from(near)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "0", "{ran:?}");
}

/// Pipes and terminals that were made for the process are its user's.
#[test]
fn pipes_and_terminals_belong_to_the_user() {
    let look = "stat -L -c %u /proc/self/fd/1; echo again > /dev/stdout; echo and > /dev/stderr";
    let own_users: fn(&Bundle) = with_own_users;
    for prepare in [|_: &Bundle| {}, own_users] {
        let Some(bundle) = hostile(look) else { return };
        prepare(&bundle);
        bundle.edit(|config| config["process"]["user"] = json!({"uid": USER, "gid": USER}));
        bundle.run().expect(&format!("{USER}\nagain"));
        bundle.edit(|config| config["process"]["args"] = json!(["/bin/sleep", "600"]));
        bundle.run_detached();
        bundle.exec(look).expect(&format!("{USER}\nagain"));
        let look = "stat -L -c %u /proc/self/fd/0; [ -t 0 ]";
        let exec = bundle
            .command(&["exec", "--tty", &bundle.id, "/bin/sh", "-c", look])
            .output()
            .unwrap();
        assert!(
            exec.status.success() && String::from_utf8_lossy(&exec.stdout).starts_with(&USER.to_string()),
            "{exec:?}"
        );
    }
}

/// The caller's own terminal, passed on to a container without one, stays the caller's.
#[test]
fn a_terminal_of_the_caller_keeps_its_owner() {
    let Some(bundle) = hostile("exit 0") else { return };
    bundle.edit(|config| config["process"]["user"] = json!({"uid": USER, "gid": USER}));
    let pts = File::open("/dev/pts").unwrap();
    let Ok((_near, far)) = sys::pty::open(&pts) else {
        println!("skipped: /dev/pts makes no terminals");
        return;
    };
    let before = File::from(far.try_clone().unwrap()).metadata().unwrap();
    assert!(before.file_type().is_char_device());
    let ran = bundle.run_command().stdin(far.try_clone().unwrap()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let after = File::from(far).metadata().unwrap();
    assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()));
}
