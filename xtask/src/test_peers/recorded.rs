//! Whether dockerd answers as it was recorded.

use super::Place;
use crate::peers::dockerd::{Dockerd, Settings};
use crate::{packages, process, test, workspace};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

pub(super) const RECORD: &str = "--record";

/// Compiles what asks; its program and the folder it runs in.
pub(super) fn prepare() -> Result<[String; 2]> {
    let files = test::compile(Some("gantry/docker"))?;
    let file = files.first().context("there is no test file `gantry/docker`")?;
    Ok([file.program.display().to_string(), file.folder.display().to_string()])
}

pub(super) fn compare(place: &Place) -> Result<()> {
    let [program, folder, rest @ ..] = place.arguments.as_slice() else {
        bail!("test-peers calls this itself");
    };
    let dir = &place.dir;
    let known = workspace::root().join("tests/docker/recorded.json");
    let records = rest.iter().any(|argument| argument == RECORD);
    let written = if records {
        known.clone()
    } else {
        dir.join("recorded.json")
    };
    let dockerd = Dockerd::start(&Settings {
        dir: dir.join("dockerd"),
        run_dir: dir.join("dockerd"),
        cgroup_parent: place.cgroup_parent(),
        runtime: None,
    })?;
    let mut ask = process::command(program);
    ask.current_dir(folder)
        .env("DOCKER_REGISTRY", packages::unpack(&packages::UNPACKED[0])?)
        .env("DOCKER_CLI", packages::unpack(&packages::UNPACKED[1])?)
        .env("DOCKER_PEER", dockerd.socket())
        .env("DOCKER_RECORD", &written);
    process::run(&mut ask)?;
    drop(dockerd);
    if records {
        eprintln!("Recorded in {}", known.display());
        return Ok(());
    }
    let read = |path: &Path| -> Result<serde_json::Value> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let (recorded, now) = (read(&known)?, read(&written)?);
    let mut differing = 0;
    for (name, answer) in now.as_object().into_iter().flatten() {
        if recorded.get(name) != Some(answer) {
            differing += 1;
            println!("{name}:\n  recorded: {}\n  now:      {answer}", recorded[name]);
        }
    }
    if differing > 0 {
        bail!("{differing} answers of dockerd are not as they were recorded");
    }
    println!("dockerd answers as recorded, and the tests compare ours with that");
    Ok(())
}
