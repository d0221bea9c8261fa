//! `cargo xtask test-suites`: the conformance suites of other projects against our
//! `gantry-runtime`.
//!
//! Their checkouts are given by environment variables and are built by their own means
//! before. Each suite runs in namespaces apart. A test that fails or hangs and is not listed in
//! `docs/conformance.md` fails the command.

mod contest;
mod crun;
mod limited;
mod outcome;
mod reasons;
mod report;
mod runc;
mod runtime_tools;

use crate::{apart, packages, programs, workspace};
use anyhow::{Context as _, Result, bail};
use outcome::Test;
use reasons::Reasons;
use std::fs;
use std::path::{Path, PathBuf};

/// A suite, and the environment variable that names its checkout.
struct Suite {
    name: &'static str,
    variable: &'static str,
    /// What the checkout or the machine still lacks, each with how to get it.
    missing: fn(&Path) -> Vec<String>,
    run: fn(&Run<'_>) -> Result<Vec<Test>>,
    /// Groups of cgroups that its containers are in, below the hierarchies' roots.
    cgroups: &'static [&'static str],
}

const SUITES: [Suite; 4] = [
    Suite {
        name: "contest",
        variable: "GANTRY_CONTEST_SRC",
        missing: contest::missing,
        run: contest::run,
        cgroups: &["runtime-test"],
    },
    Suite {
        name: "runtime-tools",
        variable: "GANTRY_RUNTIME_TOOLS_SRC",
        missing: runtime_tools::missing,
        run: runtime_tools::run,
        cgroups: &["cgrouptest"],
    },
    Suite {
        name: "runc",
        variable: "GANTRY_RUNC_SRC",
        missing: runc::missing,
        run: runc::run,
        cgroups: &["runc-cgroups-integration-test"],
    },
    Suite {
        name: "crun",
        variable: "GANTRY_CRUN_SRC",
        missing: crun::missing,
        run: crun::run,
        cgroups: &["crun-test"],
    },
];

/// Where containers are whose configuration names no cgroup.
const DEFAULT_GROUP: &str = "gantry-runtime";

/// One run of a suite.
struct Run<'a> {
    source: PathBuf,
    /// Ours.
    runtime: PathBuf,
    /// Temporary files; removed afterwards.
    dir: &'a Path,
    /// Only tests whose name contains it.
    filter: Option<&'a str>,
    /// Where the output of each failed test is kept.
    logs: PathBuf,
}

impl Run<'_> {
    fn wants(&self, name: &str) -> bool {
        self.filter.is_none_or(|filter| name.contains(filter))
    }
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (wanted, filter) = parse(arguments)?;
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    programs::build_runtime_for_tests()?;
    let reasons = Reasons::read(&workspace::root().join("docs/conformance.md"))?;
    let mut complaints = Vec::new();
    for suite in wanted {
        let Some(source) = std::env::var_os(suite.variable).map(PathBuf::from) else {
            println!("{}: not run: {} does not name a checkout", suite.name, suite.variable);
            continue;
        };
        let missing = (suite.missing)(&source);
        if !missing.is_empty() {
            complaints.push(format!("{}: missing: {}", suite.name, missing.join("; ")));
            continue;
        }
        let results = logs(suite.name).join("results.tsv");
        let passed_on = [suite.name.to_owned(), filter.clone().unwrap_or_default()];
        let _ = fs::remove_file(&results);
        let ran = apart::run_below_reaper("test-suites-apart", &passed_on);
        clear_groups(suite);
        ran.with_context(|| format!("the suite {} could not be run", suite.name))?;
        let tests = outcome::read(&results)?;
        complaints.extend(report::print(suite.name, &tests, &reasons, filter.is_none()));
    }
    if !complaints.is_empty() {
        bail!("not as it should be:\n{}", complaints.join("\n"));
    }
    Ok(())
}

/// Suites by name, all without one; and `--only TEXT`.
fn parse(arguments: &[String]) -> Result<(Vec<&'static Suite>, Option<String>)> {
    let (mut names, mut filter) = (Vec::new(), None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--only" {
            filter = Some(
                arguments
                    .next()
                    .context("--only needs a part of a test's name")?
                    .clone(),
            );
        } else if let Some(suite) = SUITES.iter().find(|suite| suite.name == argument) {
            names.push(suite);
        } else {
            let known = SUITES.each_ref().map(|suite| suite.name).join(", ");
            bail!("there is no suite `{argument}`; there are {known}");
        }
    }
    if names.is_empty() {
        names.extend(&SUITES);
    }
    Ok((names, filter))
}

fn logs(suite: &str) -> PathBuf {
    workspace::target().join("test-suites").join(suite)
}

/// As the only program of its namespaces, below a shell that reaps.
pub(crate) fn run_apart(arguments: &[String]) -> Result<()> {
    let [dir, name, filter] = arguments else {
        bail!("test-suites calls this itself");
    };
    limited::expect_to_be_apart()?;
    let suite = SUITES.iter().find(|suite| suite.name == name.as_str());
    let suite = suite.context("test-suites calls this itself")?;
    apart::raise_loopback()?;
    apart::cover_shared_folders()?;
    let logs = logs(suite.name);
    fs::create_dir_all(&logs)?;
    let run = Run {
        source: std::env::var_os(suite.variable)
            .map(PathBuf::from)
            .context("test-suites calls this itself")?,
        runtime: workspace::target().join("debug/gantry-runtime"),
        dir: Path::new(dir),
        filter: (!filter.is_empty()).then_some(filter.as_str()),
        logs,
    };
    let tests = (suite.run)(&run)?;
    outcome::write(&run.logs.join("results.tsv"), &tests)
}

/// Removes the cgroups that killed tests left. All processes in them have ended with the
/// namespace.
fn clear_groups(suite: &Suite) {
    for mount in apart::cgroup_mounts() {
        for name in suite.cgroups.iter().copied().chain([DEFAULT_GROUP]) {
            let group = mount.join(name);
            if group.exists() {
                apart::remove_groups(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_a_filter_are_told_apart() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (suites, filter) = parse(&words("runc crun --only mounts")).unwrap();
        assert_eq!(
            suites.iter().map(|suite| suite.name).collect::<Vec<_>>(),
            ["runc", "crun"]
        );
        assert_eq!(filter.as_deref(), Some("mounts"));
        assert_eq!(parse(&[]).unwrap().0.len(), SUITES.len());
        assert!(parse(&words("youki")).is_err());
        assert!(parse(&words("--only")).is_err());
    }
}
