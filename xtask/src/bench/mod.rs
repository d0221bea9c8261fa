//! `cargo xtask bench`: our figures and those of others, measured here and now, in
//! turns, beside what the kernel itself needs.

mod build;
mod bundle;
mod command_line;
mod http;
mod import;
mod memory;
mod pull;
mod report;
mod rounds;
mod server;
mod starts;
mod thousand;

use crate::{apart, packages, peers, programs, ui, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

/// Where things are while it is measured.
struct Place {
    /// Removed afterwards.
    dir: PathBuf,
    server: PathBuf,
    runtime: PathBuf,
}

type Measurement = (&'static str, fn(&Place) -> Result<()>);

const MEASUREMENTS: [Measurement; 7] = [
    ("command-line", command_line::measure),
    ("starts", starts::measure),
    ("memory", memory::measure),
    ("thousand", thousand::measure),
    ("pull", pull::measure),
    ("import", import::measure),
    ("build", build::measure),
];

/// `--quick` builds without link-time optimisation: in a fraction of the time, and
/// a little slower in what is measured. `--no-build` measures what was built before.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let filter = arguments.iter().find(|argument| !argument.starts_with("--"));
    check(filter.map(String::as_str))?;
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_BENCH)?;
    peers::unpack_all()?;
    let wants = |names: &[&str]| filter.is_none_or(|filter| names.iter().any(|name| name.contains(filter.as_str())));
    if wants(&["pull", "import"]) {
        pull::prepare()?;
    }
    if wants(&["import"]) {
        import::prepare()?;
    }
    if !arguments.iter().any(|argument| argument == "--no-build") {
        ui::build(ui::Purpose::Quick)?;
        programs::build_server(profile(arguments))?;
    }
    apart::run("bench-apart", arguments)
}

/// The same program, in its own namespaces.
pub(crate) fn run_apart(arguments: &[String]) -> Result<()> {
    let (dir, arguments) = arguments.split_first().context("bench calls this itself")?;
    let filter = arguments.iter().find(|argument| !argument.starts_with("--"));
    let place = Place {
        dir: dir.into(),
        server: workspace::target().join(profile(arguments)).join("gantry"),
        runtime: workspace::target().join("runtime/gantry-runtime"),
    };
    apart::raise_loopback()?;
    apart::prepare_cgroups(&place.dir)?;
    apart::mount_run_dir(&place.dir)?;
    let wanted = MEASUREMENTS
        .iter()
        .filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())));
    let mut failed = Vec::new();
    for (name, measure) in wanted {
        if let Err(error) = measure(&place) {
            println!("\n{name} could not be measured: {error:#}");
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn profile(arguments: &[String]) -> &'static str {
    if arguments.iter().any(|argument| argument == "--quick") {
        "quick"
    } else {
        "release"
    }
}

fn check(filter: Option<&str>) -> Result<()> {
    let names = MEASUREMENTS.map(|(name, _)| name);
    match filter {
        Some(filter) if !names.iter().any(|name| name.contains(filter)) => {
            bail!("there is no measurement `{filter}`; there are {}", names.join(", "))
        }
        _ => Ok(()),
    }
}
