//! `cargo xtask test-peers`: other engines, of Debian's packages, in namespaces apart.
//!
//! What dockerd answers to the checks in `tests/docker` is asked anew and compared
//! with what was recorded; and dockerd, podman and containerd each run containers
//! with our `gantry-runtime` in the place of their own.

mod check;
mod containerd;
mod docker_like;
mod image;
mod recorded;

use crate::{apart, packages, peers, programs, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// What each part is called on the command line, and does in its place apart.
const PARTS: [(&str, Part); 4] = [
    ("recorded", recorded::compare),
    ("dockerd", docker_like::dockerd),
    ("podman", docker_like::podman),
    ("containerd", containerd::containerd),
];

type Part = fn(&Place) -> Result<()>;

/// Where a part runs.
struct Place {
    /// Removed afterwards.
    dir: PathBuf,
    /// Ours.
    runtime: PathBuf,
    /// The rest of the command line, and what was built for it.
    arguments: Vec<String>,
}

impl Place {
    fn cgroup_parent(&self) -> String {
        apart::cgroup_parent(&self.dir)
    }
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (switches, names): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|name| name.starts_with("--"));
    if let Some(unknown) = names
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| *part == name.as_str()))
    {
        let known = PARTS.map(|(part, _)| part).join(", ");
        bail!("there is no part `{unknown}`; there are {known}");
    }
    if !packages::is_root() {
        bail!("other engines can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    peers::unpack_all()?;
    for package in packages::UNPACKED {
        packages::unpack(package)?;
    }
    programs::build_runtime_for_tests()?;
    let records = switches.iter().any(|name| *name == recorded::RECORD);
    let mut failed = Vec::new();
    for (part, _) in PARTS {
        let wanted = if records {
            part == "recorded"
        } else {
            names.is_empty() || names.iter().any(|name| name.as_str() == part)
        };
        if !wanted {
            continue;
        }
        let mut passed_on = vec![part.to_owned()];
        if part == "recorded" {
            passed_on.extend(recorded::prepare()?);
        }
        passed_on.extend(switches.iter().map(|name| (*name).clone()));
        if let Err(error) = apart::run("test-peers-apart", &passed_on) {
            eprintln!("{part}: {error:#}");
            failed.push(part);
        }
    }
    if !failed.is_empty() {
        bail!("not as it should be: {}", failed.join(", "));
    }
    Ok(())
}

pub(crate) fn run_apart(arguments: &[String]) -> Result<()> {
    let [dir, part, rest @ ..] = arguments else {
        bail!("test-peers calls this itself");
    };
    let place = Place {
        dir: Path::new(dir).to_owned(),
        runtime: workspace::target().join("debug/gantry-runtime"),
        arguments: rest.to_vec(),
    };
    apart::raise_loopback()?;
    apart::prepare_cgroups(&place.dir)?;
    apart::cover_shared_folders()?;
    let (_, run) = PARTS
        .iter()
        .find(|(name, _)| *name == part.as_str())
        .context("test-peers calls this itself")?;
    run(&place)
}
