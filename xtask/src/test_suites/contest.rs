//! youki's `contest`: a program with groups of tests, which print at the end of a group.

use super::outcome::{Outcome, Test};
use super::{Run, limited};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A group has up to thirty tests.
const LIMIT: Duration = Duration::from_mins(4);

/// Built by `just contest`, which leaves both in the top folder.
const PROGRAMS: [&str; 2] = ["contest", "runtimetest"];

pub(super) fn missing(source: &Path) -> Vec<String> {
    let absent = PROGRAMS.iter().filter(|name| !source.join(name).is_file());
    absent
        .map(|name| format!("`{}`, built by `just contest` there", source.join(name).display()))
        .collect()
}

pub(super) fn run(run: &Run<'_>) -> Result<Vec<Test>> {
    // It unpacks its bundle from the folder that it runs in.
    let bundle = run.source.join("tests/contest/contest/bundle.tar.gz");
    fs::copy(&bundle, run.dir.join("bundle.tar.gz")).with_context(|| format!("cannot copy {}", bundle.display()))?;
    let listed = Command::new(run.source.join("contest"))
        .arg("list")
        .current_dir(run.dir)
        .env("TMPDIR", run.dir)
        .output()?;
    if !listed.status.success() {
        bail!("`contest list` failed: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let groups = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut tests = Vec::new();
    for group in groups.lines().filter(|group| run.wants(group)) {
        let found = run_selected(run, group, group)?;
        let ended = !matches!(&found[..], [only] if only.name == group);
        // A test that panics or hangs takes the results of its whole group along.
        let names = if ended { Vec::new() } else { names(&run.source, group) };
        if names.is_empty() {
            tests.extend(found);
        }
        for name in names {
            tests.extend(run_selected(
                run,
                &format!("{group}::{name}"),
                &format!("{group}: {name}"),
            )?);
        }
    }
    Ok(tests)
}

/// Runs what `selector` selects. One result, called `name`, where it came to no end of its own.
fn run_selected(run: &Run<'_>, selector: &str, name: &str) -> Result<Vec<Test>> {
    eprintln!("contest: {selector}");
    let mut command = Command::new(run.source.join("contest"));
    command.current_dir(run.dir).env("TMPDIR", run.dir);
    command.arg("run").arg("--runtime").arg(&run.runtime);
    command.arg("--runtimetest").arg(run.source.join("runtimetest"));
    command.args(["-t", selector]);
    let ran = limited::run(command, run.dir, LIMIT)?;
    let group = selector.split("::").next().unwrap_or(selector);
    let found = parse(group, &ran.output);
    if ran.success != Some(true) || found.iter().any(|test| test.outcome == Outcome::Failed) {
        let file = selector.replace("::", "-");
        fs::write(run.logs.join(format!("{file}.log")), &ran.output)?;
    }
    let outcome = match ran.success {
        None => Outcome::Hung,
        Some(_) if found.is_empty() => Outcome::Failed,
        Some(_) => return Ok(found),
    };
    Ok(vec![Test::new(name, outcome, last_line(&ran.output))])
}

/// The names of a group's tests, from the source: `contest` lists groups alone.
fn names(source: &Path, group: &str) -> Vec<String> {
    let folders = fs::read_dir(source.join("tests/contest/contest/src/tests"));
    let folders = folders.into_iter().flatten().flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten();
    let texts = files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok());
    let own = format!("TestGroup::new(\"{group}\")");
    texts
        .filter(|text| text.contains(&own))
        .flat_map(|text| literals(&text))
        .collect()
}

/// The first argument of each `Test::new`, where it is a literal.
fn literals(text: &str) -> Vec<String> {
    let calls = text.split("Test::new(").skip(1);
    let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    names.map(str::to_owned).collect()
}

fn last_line(output: &str) -> &str {
    output.lines().next_back().unwrap_or_default()
}

/// `1 / 3 : name : not ok`, and on the next line why.
fn parse(group: &str, output: &str) -> Vec<Test> {
    let mut lines = output.lines().peekable();
    let mut tests = Vec::new();
    while let Some(line) = lines.next() {
        let Some((name, outcome)) = result(line) else { continue };
        let why = lines.next_if(|next| next.starts_with('\t')).unwrap_or_default();
        tests.push(Test::new(format!("{group}: {name}"), outcome, why));
    }
    tests
}

fn result(line: &str) -> Option<(&str, Outcome)> {
    let (place, rest) = line.split_once(" : ")?;
    let (number, of) = place.split_once(" / ")?;
    number.trim().parse::<u32>().ok()?;
    of.trim().parse::<u32>().ok()?;
    let (name, outcome) = rest.rsplit_once(" : ")?;
    let outcome = match outcome.trim() {
        "ok" => Outcome::Passed,
        "not ok" => Outcome::Failed,
        "skipped" => Outcome::Skipped,
        _ => return None,
    };
    Some((name.trim(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_source() {
        let text = "let a = Test::new(\n    \"first\",\n f);\nlet b = ConditionalTest::new(\"second\", c, t);\nTest::new(n, t)";
        assert_eq!(literals(text), ["first", "second"]);
    }

    #[test]
    fn results_come_with_their_reasons() {
        let output = "# Start group hooks\n1 / 3 : a : ok\n2 / 3 : b : not ok\n\tno file\n3 / 3 : c : skipped\n\tv2\n";
        let expected = [
            Test::new("hooks: a", Outcome::Passed, ""),
            Test::new("hooks: b", Outcome::Failed, "no file"),
            Test::new("hooks: c", Outcome::Skipped, "v2"),
        ];
        assert_eq!(parse("hooks", output), expected);
    }
}
