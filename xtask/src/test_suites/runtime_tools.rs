//! opencontainers/runtime-tools: a program for each part of the specification, which prints
//! the Test Anything Protocol.

use super::outcome::{Outcome, Test, tap};
use super::{Run, limited};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);

pub(super) fn missing(source: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    if !source.join("runtimetest").is_file() {
        missing.push(format!(
            "`{}`, built by `make runtimetest`",
            source.join("runtimetest").display()
        ));
    }
    if programs(source).is_empty() {
        let folder = source.join("validation");
        missing.push(format!(
            "programs in `{}`, built by `make validation-executables`",
            folder.display()
        ));
    }
    missing
}

fn programs(source: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(source.join("validation")).into_iter().flatten().flatten();
    let files = folders
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flatten()
        .flatten();
    let mut programs: Vec<PathBuf> = files.map(|file| file.path()).collect();
    programs.retain(|path| path.extension().is_some_and(|ending| ending == "t"));
    programs.sort();
    programs
}

pub(super) fn run(run: &Run<'_>) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for program in programs(&run.source) {
        let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !run.wants(&name) {
            continue;
        }
        eprintln!("runtime-tools: {name}");
        let mut command = Command::new(&program);
        // It looks for the root file system and `runtimetest` there.
        command
            .current_dir(&run.source)
            .env("TMPDIR", run.dir)
            .env("RUNTIME", &run.runtime);
        let ran = limited::run(command, run.dir, LIMIT)?;
        let test = judge(&name, ran.success, &ran.output);
        if matches!(test.outcome, Outcome::Failed | Outcome::Hung) {
            fs::write(run.logs.join(format!("{name}.log")), &ran.output)?;
        }
        tests.push(test);
    }
    Ok(tests)
}

/// A program passes when something in it does and nothing fails.
fn judge(name: &str, success: Option<bool>, output: &str) -> Test {
    // Results inside of a container are indented.
    let parts: Vec<Test> = output.lines().filter_map(|line| tap(line.trim_start())).collect();
    let failed = parts.iter().find(|part| part.outcome == Outcome::Failed);
    let passes = parts.iter().any(|part| part.outcome == Outcome::Passed);
    let skipped = parts.iter().find(|part| part.outcome == Outcome::Skipped);
    let last = output.lines().next_back().unwrap_or_default();
    match (success, failed, skipped) {
        (None, ..) => Test::new(name, Outcome::Hung, last),
        (_, Some(part), _) => Test::new(name, Outcome::Failed, &part.name),
        (Some(true), None, _) if passes => Test::new(name, Outcome::Passed, ""),
        (Some(true), None, Some(part)) => Test::new(name, Outcome::Skipped, &part.detail),
        _ => Test::new(name, Outcome::Failed, last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_passes_only_when_something_in_it_does() {
        let outcome = |success, output| judge("x", success, output).outcome;
        assert_eq!(outcome(Some(true), "TAP version 13\nok 1 - a\n1..1\n"), Outcome::Passed);
        assert_eq!(outcome(Some(true), "ok 1 - a\nnot ok 2 - b\n"), Outcome::Failed);
        assert_eq!(outcome(Some(true), "ok 1 # SKIP no v2\n"), Outcome::Skipped);
        assert_eq!(outcome(Some(true), ""), Outcome::Failed);
        assert_eq!(outcome(Some(false), "ok 1 - a\n"), Outcome::Failed);
        assert_eq!(outcome(None, "ok 1 - a\n"), Outcome::Hung);
    }
}
