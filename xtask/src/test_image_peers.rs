//! `cargo xtask test-image-peers`: images of podman, buildah, umoci and docker run here,
//! and ours run there; in namespaces apart, with Debian's own packages of them.

use crate::peers::dockerd::{Dockerd, Settings};
use crate::{apart, packages, peers, process, programs, test};
use anyhow::{Context as _, Result, bail};
use std::path::Path;

pub(crate) fn run(_: &[String]) -> Result<()> {
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    packages::install(packages::IMAGE_PEERS)?;
    peers::unpack_all()?;
    for package in packages::UNPACKED {
        packages::unpack(package)?;
    }
    programs::build_runtime_for_tests()?;
    let files = test::compile(Some("gantry/registry"))?;
    let file = files.first().context("there is no test file `gantry/registry`")?;
    let passed_on = [file.program.display().to_string(), file.folder.display().to_string()];
    apart::run("test-image-peers-apart", &passed_on)
}

pub(crate) fn run_apart(arguments: &[String]) -> Result<()> {
    let [dir, program, folder] = arguments else {
        bail!("test-image-peers calls this itself");
    };
    let dir = Path::new(dir);
    apart::raise_loopback()?;
    apart::prepare_cgroups(dir)?;
    let dockerd = Dockerd::start(&Settings {
        dir: dir.join("dockerd"),
        run_dir: dir.join("dockerd"),
        cgroup_parent: apart::cgroup_parent(dir),
        runtime: None,
    })?;
    process::run(
        process::command(program)
            .args(["images_run_wherever", "--nocapture"])
            .current_dir(folder)
            .env("IMAGE_PEERS", "1")
            .env("CGROUP_PARENT", apart::cgroup_parent(dir))
            .env("RUNC", peers::runc()?.command().get_program())
            .env("DOCKER_REGISTRY", packages::unpack(&packages::UNPACKED[0])?)
            .env("DOCKER_CLI", packages::unpack(&packages::UNPACKED[1])?)
            .env("DOCKER_PEER", dockerd.socket()),
    )
}
