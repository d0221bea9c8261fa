//! The docker command line, with the older builder.

use crate::builder::{BASE, Builder};
use reqwest::Method;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Unpacked below the target folder; `None` says so.
fn program() -> Option<&'static str> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/peers/docker.io/usr/bin/docker"
    );
    if !Path::new(path).exists() {
        println!("skipped: the docker command line is not unpacked; `cargo xtask test` does it");
        return None;
    }
    Some(path)
}

fn command(builder: &Builder, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(
            "DOCKER_HOST",
            format!("unix://{}", builder.host.docker_socket().display()),
        )
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CONFIG", builder.host.dir())
        .current_dir(builder.host.dir());
    command
}

fn docker(builder: &Builder, program: &str, arguments: &[&str]) -> Output {
    command(builder, program, arguments).output().expect("it starts")
}

fn docker_with_input(builder: &Builder, program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = command(builder, program, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_command_line_builds_with_a_dockerfile_from_its_input() {
    let Some(builder) = Builder::start().await else { return };
    let Some(program) = program() else { return };
    let text = format!("FROM {BASE}\nCOPY . /all/\nRUN ls -A /all\n");
    for (name, ignore) in [("plain", None), ("ignoring", Some("left-out\n"))] {
        let dir = builder.host.dir().join(name);
        std::fs::create_dir(&dir).expect("a folder");
        for file in ["kept", "left-out"] {
            std::fs::write(dir.join(file), file).expect("a file");
        }
        if let Some(ignore) = ignore {
            std::fs::write(dir.join(".dockerignore"), ignore).expect("a file");
        }
        let done = docker_with_input(&builder, program, &["build", "--no-cache", "-f", "-", name], &text);
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{out}{}", String::from_utf8_lossy(&done.stderr));
        assert!(out.contains("\nkept\n"), "{out}");
        assert_eq!(out.contains("\nleft-out\n"), ignore.is_none(), "{out}");
        assert!(!out.contains("\n.dockerfile"), "{out}");
    }
    let alone = docker_with_input(
        &builder,
        program,
        &["build", "-"],
        &format!("FROM {BASE}\nRUN echo said\n"),
    );
    let out = String::from_utf8_lossy(&alone.stdout).into_owned();
    assert!(alone.status.success() && out.contains("said\n"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_command_line_builds_with_arguments_labels_and_a_target() {
    let Some(builder) = Builder::start().await else { return };
    let Some(program) = program() else { return };
    let dir = builder.host.dir().join("project");
    std::fs::create_dir(&dir).expect("a folder");
    std::fs::write(dir.join("hello"), "hello\n").expect("a file");
    let text = format!(
        "FROM {BASE} AS first\nARG WHO=nobody\nCOPY hello /hello\nRUN echo $WHO >> /hello && echo said\nFROM first\nRUN false\n"
    );
    std::fs::write(dir.join("Build.file"), text).expect("a file");
    let arguments = [
        "build",
        "-t",
        "localhost/cli:1",
        "-t",
        "localhost/cli:2",
        "-f",
        "project/Build.file",
        "--target",
        "first",
        "--build-arg",
        "WHO=ada",
        "--label",
        "a=b",
        "--memory",
        "64m",
        "--shm-size",
        "16m",
        "project",
    ];
    let done = docker(&builder, program, &arguments);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{out}{}", String::from_utf8_lossy(&done.stderr));
    for wanted in [
        "Step 1/4 : FROM",
        "Step 4/4 : RUN echo $WHO",
        "said\n",
        "Successfully built ",
        "Successfully tagged localhost/cli:2",
    ] {
        assert!(out.contains(wanted), "`{wanted}` in:\n{out}");
    }
    let again = docker(&builder, program, &arguments);
    let out = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(out.matches("Using cache").count(), 3, "{out}");
    let (_, image): (_, Value) = builder
        .host
        .docker()
        .ask(Method::GET, "/images/localhost/cli:1/json", None)
        .await;
    assert_eq!(image["Config"]["Labels"]["a"], "b", "{image}");
    let (code, said) = builder.run_output("localhost/cli:1", &["cat", "/hello"]).await;
    assert_eq!((code, said.as_str()), (0, "hello\nada\n"));
    let quiet = docker(
        &builder,
        program,
        &[
            "build",
            "-q",
            "-f",
            "project/Build.file",
            "--target",
            "first",
            "project",
        ],
    );
    let id = String::from_utf8_lossy(&quiet.stdout).trim().to_owned();
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    let failed = docker(&builder, program, &["build", "-f", "project/Build.file", "project"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        !failed.status.success() && said.contains("line 6, RUN: `/bin/sh -c false` ended with exit code 1"),
        "{said}"
    );
    let wrong = docker(&builder, program, &["build", "-f", "none", "project"]);
    assert!(!wrong.status.success());
    let pruned = docker(&builder, program, &["builder", "prune", "-f"]);
    let out = String::from_utf8_lossy(&pruned.stdout).into_owned();
    assert!(
        pruned.status.success() && out.contains("Total"),
        "{out}{}",
        String::from_utf8_lossy(&pruned.stderr)
    );
}
