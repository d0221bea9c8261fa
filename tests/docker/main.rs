//! The real docker command line against the Docker socket, compared with what
//! dockerd answers: `recorded.json`, made by `cargo xtask test-peers --record`.

mod bodies;
mod checks;
mod events;
mod joins;
mod mask;
mod nested_binds;
mod options;
mod recreate;
mod references;

use checks::{CHECKS, Errors};
use harness::{Ended, Host, Image, Registry};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Where to ask instead of a server of our own.
const PEER: &str = "DOCKER_PEER";
/// Where to write what was answered.
const RECORD: &str = "DOCKER_RECORD";

/// What a check answered, with what differs by nature made equal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

#[tokio::test]
async fn the_docker_command_line_gets_the_answers_of_dockerd() {
    if !harness::can_run_containers() {
        return;
    }
    let Some(docker) = std::env::var_os("DOCKER_CLI") else {
        println!("skipped: needs DOCKER_CLI, the path of the docker command line");
        return;
    };
    let Some(registry) = Registry::start() else { return };
    let image = Image::busybox();
    registry.push(&image, "team/web:1").await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let archive = dir.path().join("busybox.tar");
    fs::write(&archive, image.archive("busybox:latest")).expect("a writable directory");
    let root = dir.path().join("root.tar");
    fs::write(&root, image.root_tar()).expect("a writable directory");
    // So that a shell's `docker` is the one that is meant.
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).expect("a writable directory");
    std::os::unix::fs::symlink(docker, bin.join("docker")).expect("a writable directory");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);

    let peer = std::env::var(PEER).ok();
    let host = peer.is_none().then(|| Host::start(env!("CARGO_BIN_EXE_gantry")));
    let socket = match (&peer, &host) {
        (Some(socket), _) => socket.clone(),
        (None, Some(host)) => host.docker_socket().display().to_string(),
        (None, None) => return,
    };
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let masks = mask::Masks::new(&[
        (registry.address(), "REGISTRY"),
        (&port, "PORT"),
        (dir.path().to_str().expect("UTF-8"), "DIR"),
    ]);
    let mut answers = BTreeMap::new();
    for check in CHECKS {
        let ended: Ended = Command::new("timeout")
            .args(["60", "sh", "-c", check.line])
            .env("PATH", &path)
            .env("DOCKER_HOST", format!("unix://{socket}"))
            .env("DOCKER_CONFIG", dir.path().join("config"))
            .env("ARCHIVE", &archive)
            .env("ROOT", &root)
            .env("REGISTRY", registry.address())
            .env("PORT", &port)
            .env("DIR", dir.path())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a shell")
            .into();
        let (stdout, stderr) = (masks.apply(&ended.stdout), masks.apply(&ended.stderr));
        let answer = match check.errors {
            Errors::Same => Answer {
                code: ended.code,
                stdout,
                stderr,
            },
            Errors::Own => Answer {
                code: ended.code,
                stdout: String::new(),
                stderr: if stdout.is_empty() && stderr.is_empty() {
                    "nothing was said".to_owned()
                } else {
                    "something was said".to_owned()
                },
            },
        };
        let known = answers.insert(check.name.to_owned(), answer);
        assert!(known.is_none(), "two checks are called `{}`", check.name);
    }
    if let Ok(file) = std::env::var(RECORD) {
        let text = serde_json::to_string_pretty(&answers).expect("JSON");
        fs::write(&file, text + "\n").expect("the record can be written");
        return;
    }
    compare(&answers);
}

fn compare(answers: &BTreeMap<String, Answer>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/docker/recorded.json");
    let text = fs::read_to_string(&file).expect("the record; make it by `cargo xtask test-peers --record`");
    let recorded: BTreeMap<String, Answer> = serde_json::from_str(&text).expect("answers");
    let mut differing = Vec::new();
    for check in CHECKS {
        let (ours, theirs) = (answers.get(check.name), recorded.get(check.name));
        if ours != theirs {
            differing.push(format!(
                "{}: {}\n  dockerd: {theirs:?}\n  ours:    {ours:?}",
                check.name, check.line
            ));
        }
    }
    assert!(
        differing.is_empty(),
        "{} of {} answers differ from dockerd's:\n{}",
        differing.len(),
        CHECKS.len(),
        differing.join("\n")
    );
    assert!(CHECKS.len() >= 30, "fewer checks than promised");
}
