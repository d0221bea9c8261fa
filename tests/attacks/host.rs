//! A server whose image holds the attacker's program.

use harness::{Api, Host, Image, Options};
use shared::create::NewContainer;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) async fn host_with(switches: &[&str]) -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let options = Options {
        switches: switches.iter().map(|switch| (*switch).to_owned()).collect(),
        ..Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let api = filled(&host).await;
    Some((host, api))
}

/// One that may have only so many descriptors, as services usually may.
pub(crate) async fn host_with_descriptors(most: u32) -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gantry-with-{most}"));
    let script = format!(
        "#!/bin/sh\nulimit -n {most}\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_gantry")
    );
    std::fs::write(&program, script).expect("a writable folder");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let host = Host::start(program.to_str().expect("a path in UTF-8"));
    let api = filled(&host).await;
    Some((host, api))
}

async fn filled(host: &Host) -> Api {
    let api = host.api();
    let program = std::fs::read(attacker()).expect("it was compiled");
    let image = Image::busybox().with_files(&[("bin/attacker", &program)]);
    api.upload("/images/load", image.archive("attacker:latest"))
        .await
        .expect("the archive is taken");
    api
}

pub(crate) async fn host() -> Option<(Host, Api)> {
    host_with(&[]).await
}

/// Runs `line` in a shell, from the start.
pub(crate) fn started(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "attacker".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// The attacker's program, compiled once.
fn attacker() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // A host without a compiler has it made elsewhere.
        if let Some(made) = std::env::var_os("GANTRY_TEST_ATTACKER") {
            return made.into();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks/attacker.c");
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("attacker-of-server");
        let compiled = Command::new("cc")
            .args(["-static", "-O1", "-o"])
            .arg(&program)
            .arg(source)
            .status();
        assert!(
            compiled.expect("there is a compiler").success(),
            "the attacker's program does not compile"
        );
        program
    })
}
