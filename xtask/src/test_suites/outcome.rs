//! How a test of a suite ended.

use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Skipped,
    /// Ended because it took longer than it may.
    Hung,
}

const NAMES: [(Outcome, &str); 4] = [
    (Outcome::Passed, "passed"),
    (Outcome::Failed, "failed"),
    (Outcome::Skipped, "skipped"),
    (Outcome::Hung, "hung"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    /// The line that says most about a failure.
    pub(super) detail: String,
}

impl Test {
    pub(super) fn new(name: impl Into<String>, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome,
            detail: detail.into().split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// One line a test, for the process outside.
pub(super) fn write(path: &Path, tests: &[Test]) -> Result<()> {
    let mut text = String::new();
    for Test { name, outcome, detail } in tests {
        let found = NAMES.iter().find(|(known, _)| known == outcome);
        let outcome = found.map_or("", |(_, name)| name);
        let _ = writeln!(text, "{outcome}\t{name}\t{detail}");
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn read(path: &Path) -> Result<Vec<Test>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .map(|line| {
            let mut fields = line.splitn(3, '\t');
            let mut field = || fields.next().unwrap_or_default();
            let (outcome, name, detail) = (field(), field(), field());
            let found = NAMES.iter().find(|(_, known)| *known == outcome);
            let (outcome, _) = found.with_context(|| format!("`{line}` is not a result"))?;
            Ok(Test::new(name, *outcome, detail))
        })
        .collect()
}

/// A line of the Test Anything Protocol: `ok 3 - name # SKIP why`.
pub(super) fn tap(line: &str) -> Option<Test> {
    let (outcome, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (Outcome::Failed, rest),
        None => (Outcome::Passed, line.strip_prefix("ok ")?),
    };
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let rest = rest.trim_start().trim_start_matches("- ");
    let lower = rest.to_ascii_lowercase();
    let skip = ["# skip", "#skip"].iter().find_map(|mark| lower.find(mark));
    let (name, outcome, detail) = match skip {
        Some(at) => (&rest[..at], Outcome::Skipped, &rest[at..]),
        None => (rest.split(" # ").next().unwrap_or(rest), outcome, ""),
    };
    Some(Test::new(name.trim(), outcome, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_protocol_are_read() {
        let read = |line| {
            let test = tap(line)?;
            Some((test.name, test.outcome))
        };
        let expected = |name: &str, outcome| Some((name.to_owned(), outcome));
        assert_eq!(read("ok 1 - root # 0.1s"), expected("root", Outcome::Passed));
        assert_eq!(read("ok 12 runc exec"), expected("runc exec", Outcome::Passed));
        assert_eq!(read("not ok 2 - root"), expected("root", Outcome::Failed));
        assert_eq!(read("ok 3 - root #SKIP no # 0.1s"), expected("root", Outcome::Skipped));
        assert_eq!(read("ok 4 root # skip needs v2"), expected("root", Outcome::Skipped));
        assert_eq!(read("# a comment"), None);
        assert_eq!(read("1..4"), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let path = std::env::temp_dir().join(format!("gantry-outcomes-{}", std::process::id()));
        let tests = [
            Test::new("a: b", Outcome::Hung, ""),
            Test::new("c", Outcome::Failed, "why\n\tnot"),
        ];
        write(&path, &tests).unwrap();
        assert_eq!(read(&path).unwrap(), tests);
        fs::remove_file(path).unwrap();
    }
}
