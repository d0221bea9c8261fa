//! The two programs: `gantry` and the static `gantry-runtime` it carries.

use crate::process::{cargo, command};
use crate::{packages, ui, workspace};
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// Builds everything quickly and becomes the server.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    packages::install(packages::TO_RUN)?;
    ui::build(ui::Purpose::Quick)?;
    build_server("quick")?;
    let program = workspace::target().join("quick/gantry");
    eprintln!("+ {} serve {}", program.display(), arguments.join(" "));
    let error = command(&program).arg("serve").args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

pub(crate) fn build_release() -> Result<()> {
    packages::install(packages::TO_RUN)?;
    ui::build(ui::Purpose::Release)?;
    build_server("release")?;
    let folder = workspace::target().join("release");
    eprintln!("Built {0}/gantry and {0}/gantry-runtime.", folder.display());
    Ok(())
}

/// gantry-runtime first, since the server's build script embeds it.
pub(crate) fn build_server(profile: &str) -> Result<()> {
    let runtime = build_runtime()?;
    let folder = workspace::target().join(profile);
    fs::create_dir_all(&folder)?;
    fs::copy(&runtime, folder.join("gantry-runtime"))?;
    run_cargo_server(profile, &runtime)
}

fn run_cargo_server(profile: &str, runtime: &std::path::Path) -> Result<()> {
    crate::process::run(cargo(&["build", "-p", "gantry", "--profile", profile]).env("GANTRY_RUNTIME_EMBED", runtime))
}

/// Static, so that it runs in any container's namespaces and shares its pages
/// with every other shim. Not position-independent: applying relocations would make
/// 280 KiB of each shim's memory its own. The flags reach the last crate only.
pub(crate) fn build_runtime() -> Result<PathBuf> {
    let mut build = cargo(&[
        "rustc",
        "-p",
        "gantry-runtime",
        "--bin",
        "gantry-runtime",
        "--profile",
        "runtime",
    ]);
    build.args(["--", "-C", "target-feature=+crt-static"]);
    build.args(["-C", "relocation-model=static"]);
    crate::process::run(&mut build)?;
    Ok(workspace::target().join("runtime/gantry-runtime"))
}

/// For tests, where the server looks for it beside itself.
pub(crate) fn build_runtime_for_tests() -> Result<()> {
    crate::process::run(&mut cargo(&["build", "-p", "gantry-runtime"]))
}
