//! `cargo xtask test-peers`: what dockerd answers to the checks in `tests/docker`,
//! asked of Debian's own, in namespaces apart.

use crate::peers::dockerd::Dockerd;
use crate::{apart, packages, peers, process, programs, test, workspace};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

const RECORD: &str = "--record";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !packages::is_root() {
        bail!("dockerd can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    peers::unpack_all()?;
    for package in packages::UNPACKED {
        packages::unpack(package)?;
    }
    programs::build_runtime_for_tests()?;
    let files = test::compile(Some("gantry/docker"))?;
    let file = files.first().context("there is no test file `gantry/docker`")?;
    let mut passed_on = vec![file.program.display().to_string(), file.folder.display().to_string()];
    passed_on.extend_from_slice(arguments);
    apart::run("test-peers-apart", &passed_on)
}

pub(crate) fn run_apart(arguments: &[String]) -> Result<()> {
    let [dir, program, folder, rest @ ..] = arguments else {
        bail!("test-peers calls this itself");
    };
    let dir = Path::new(dir);
    apart::raise_loopback()?;
    apart::prepare_cgroups(dir)?;
    let known = workspace::root().join("tests/docker/recorded.json");
    let records = rest.iter().any(|argument| argument == RECORD);
    let written = if records {
        known.clone()
    } else {
        dir.join("recorded.json")
    };
    let dockerd = Dockerd::start(&dir.join("dockerd"), &dir.join("dockerd"), &apart::cgroup_parent(dir))?;
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
