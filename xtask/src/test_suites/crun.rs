//! crun's tests, written in Python: each file has a table of functions.

use super::outcome::{Outcome, Test, tap};
use super::{Run, limited};
use crate::process;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);

/// Prints the names in the table of a file.
const LIST: &str = "import importlib, sys; print('\\n'.join(importlib.import_module(sys.argv[1]).all_tests))";

pub(super) fn missing(source: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    if !process::exists("python3") {
        missing.push("the program `python3`".to_owned());
    }
    let init = source.join("tests/init");
    if !init.is_file() {
        missing.push(format!("`{}`, built by `make tests/init`", init.display()));
    }
    missing
}

pub(super) fn run(run: &Run<'_>) -> Result<Vec<Test>> {
    let folder = run.source.join("tests");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("test_") && name.ends_with(".py")
    });
    files.sort();
    let mut tests = Vec::new();
    for file in files {
        let module = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let listed = python(run).current_dir(&folder).args(["-c", LIST, &module]).output()?;
        let titles = String::from_utf8_lossy(&listed.stdout).into_owned();
        if let Some(plan) = titles.lines().find(|line| line.starts_with("1..0")) {
            // It ends while it is loaded, where it lacks a library.
            let test = Test::new(format!("{module}.py"), Outcome::Skipped, plan);
            tests.extend(run.wants(&test.name).then_some(test));
            continue;
        }
        for title in titles.lines() {
            let name = format!("{module}.py: {title}");
            if !run.wants(&name) {
                continue;
            }
            eprintln!("crun: {name}");
            let mut command = python(run);
            command.arg(&file).current_dir(run.dir).env("RUN_TESTS", title);
            let ran = limited::run(command, run.dir, LIMIT)?;
            let test = judge(&name, ran.success, &ran.output);
            if matches!(test.outcome, Outcome::Failed | Outcome::Hung) {
                fs::write(run.logs.join(format!("{module}-{title}.log")), &ran.output)?;
            }
            tests.push(test);
        }
    }
    Ok(tests)
}

fn python(run: &Run<'_>) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", run.dir);
    command
        .env("OCI_RUNTIME", &run.runtime)
        .env("INIT", run.source.join("tests/init"));
    command
}

fn judge(name: &str, success: Option<bool>, output: &str) -> Test {
    if success.is_none() {
        return Test::new(name, Outcome::Hung, output.lines().next_back().unwrap_or_default());
    }
    let Some(found) = output.lines().find_map(tap) else {
        return Test::new(name, Outcome::Failed, output.lines().next_back().unwrap_or_default());
    };
    let why = output
        .lines()
        .find(|line| line.contains("Process output:") || line.contains("Exception message:"));
    Test::new(name, found.outcome, why.unwrap_or(&found.detail))
}
