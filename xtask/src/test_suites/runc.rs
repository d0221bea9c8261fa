//! runc's integration tests, written for bats.

use super::outcome::{Outcome, Test, tap};
use super::{Run, limited};
use crate::process;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(3);

/// Programs that the tests call by name.
const TOOLS: [&str; 5] = ["bats", "jq", "go", "ip", "gawk"];

pub(super) fn missing(source: &Path) -> Vec<String> {
    let absent = TOOLS.iter().filter(|tool| !process::exists(tool));
    let mut missing: Vec<String> = absent.map(|tool| format!("the program `{tool}`")).collect();
    let helpers = source.join("tests/cmd/_bin/recvtty");
    if !helpers.is_file() {
        missing.push(format!("`{}`, built by `make test-binaries`", helpers.display()));
    }
    let images = source.join("tests/integration/testdata");
    let has_image = fs::read_dir(&images)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("busybox-"));
    if !has_image {
        missing.push(format!(
            "images in `{}`, brought by `tests/integration/get-images.sh`",
            images.display()
        ));
    }
    missing
}

pub(super) fn run(run: &Run<'_>) -> Result<Vec<Test>> {
    let folder = run.source.join("tests/integration");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "bats"));
    files.sort();
    let mut tests = Vec::new();
    for file in files {
        let short = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (number, title) in (1..).zip(titles(&fs::read_to_string(&file)?)) {
            let name = format!("{short}: {title}");
            if !run.wants(&name) {
                continue;
            }
            eprintln!("runc: {name}");
            let mut command = Command::new("bats");
            command.current_dir(&run.source);
            command
                .args(["--tap", "--filter"])
                .arg(format!("^{}$", escaped(&title)))
                .arg(&file);
            command.env("TMPDIR", run.dir).env("RUNC", &run.runtime);
            let ran = limited::run(command, run.dir, LIMIT)?;
            let test = judge(&name, ran.success, &ran.output);
            if matches!(test.outcome, Outcome::Failed | Outcome::Hung) {
                fs::write(run.logs.join(format!("{short}-{number}.log")), &ran.output)?;
            }
            tests.push(test);
        }
    }
    Ok(tests)
}

/// The names of `@test "name" {`.
fn titles(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("@test "));
    lines
        .filter_map(|line| {
            let line = line.trim_end().trim_end_matches('{').trim();
            let quote = line.chars().next()?;
            Some(line.trim_matches(quote).replace("\\\"", "\""))
        })
        .collect()
}

/// For an extended regular expression.
fn escaped(title: &str) -> String {
    let special = |letter: char| r"\.[]{}()*+?^$|".contains(letter);
    title
        .chars()
        .flat_map(|letter| special(letter).then_some('\\').into_iter().chain([letter]))
        .collect()
}

fn judge(name: &str, success: Option<bool>, output: &str) -> Test {
    if success.is_none() {
        return Test::new(name, Outcome::Hung, output.lines().next_back().unwrap_or_default());
    }
    let Some(found) = output.lines().find_map(tap) else {
        return Test::new(name, Outcome::Failed, output.lines().next_back().unwrap_or_default());
    };
    // bats says which command of the test failed.
    let why = output.lines().find(|line| line.starts_with("#   `"));
    Test::new(name, found.outcome, why.unwrap_or(&found.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_and_match_themselves_alone() {
        let text = "load helpers\n@test \"runc run [a|b] (c)\" {\n\ttrue\n}\n@test 'second' {\n";
        assert_eq!(titles(text), ["runc run [a|b] (c)", "second"]);
        assert_eq!(escaped("run [a|b] (c)"), r"run \[a\|b\] \(c\)");
    }

    #[test]
    fn a_failure_is_told_by_its_command() {
        let output = "1..1\nnot ok 1 x\n# (in test file x.bats, line 3)\n#   `[ \"$status\" -eq 0 ]' failed\n";
        let test = judge("x.bats: x", Some(false), output);
        assert_eq!(test.outcome, Outcome::Failed);
        assert!(test.detail.contains("-eq 0"), "{}", test.detail);
    }
}
