//! The failures that are known, with the reason of each: the table in `docs/conformance.md`.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

/// Why a test does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The machine lacks what the test needs.
    Machine,
    /// The test expects another program, or is wrong by the specification.
    Suite,
    /// This project does it otherwise, on purpose.
    Choice,
}

#[derive(Debug)]
struct Reason {
    suite: String,
    /// The whole name, or its beginning before a `*`.
    test: String,
    class: Class,
}

#[derive(Debug)]
pub(super) struct Reasons(Vec<Reason>);

impl Reasons {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// The rows of the table with this head.
    fn parse(text: &str) -> Result<Self> {
        const HEAD: &str = "| suite | test | class | why |";
        let (_, table) = text.split_once(HEAD).context("it has no table of failures")?;
        let mut reasons = Vec::new();
        for row in table.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [suite, test, class, sentence] = cells[..] else {
                continue;
            };
            let class = match class {
                "machine" => Class::Machine,
                "suite" => Class::Suite,
                "choice" => Class::Choice,
                // The line below the head.
                _ if class.starts_with('-') => continue,
                other => bail!("`{other}` of `{test}` is none of machine, suite and choice"),
            };
            if sentence.is_empty() {
                bail!("`{test}` has no sentence");
            }
            reasons.push(Reason {
                suite: suite.to_owned(),
                test: test.trim_matches('`').to_owned(),
                class,
            });
        }
        Ok(Self(reasons))
    }

    pub(super) fn of(&self, suite: &str, test: &str) -> Option<Class> {
        let fits = |reason: &&Reason| match reason.test.strip_suffix('*') {
            Some(beginning) => test.starts_with(beginning),
            None => test == reason.test,
        };
        let of_suite = self.0.iter().filter(|reason| reason.suite == suite);
        of_suite.clone().find(fits).map(|reason| reason.class)
    }

    /// Names that are listed whole.
    pub(super) fn listed(&self, suite: &str) -> impl Iterator<Item = &str> {
        let of_suite = self.0.iter().filter(move |reason| reason.suite == suite);
        of_suite
            .map(|reason| reason.test.as_str())
            .filter(|test| !test.ends_with('*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_whole_groups_may_be_one_row() {
        let text = "# Title\n\n| suite | test | class | why |\n| --- | --- | --- | --- |\n\
            | runc | `checkpoint.bats: *` | machine | CRIU is not here. |\n\
            | crun | `a \\| b` | choice | It is so. |\n";
        let reasons = Reasons::parse(text).unwrap();
        assert_eq!(reasons.of("runc", "checkpoint.bats: one"), Some(Class::Machine));
        assert_eq!(reasons.of("crun", "checkpoint.bats: one"), None);
        assert_eq!(reasons.of("crun", "a \\| b"), Some(Class::Choice));
        assert_eq!(reasons.listed("runc").count(), 0);
        assert!(Reasons::parse(&format!("{text}| runc | x | maybe | y |\n")).is_err());
    }

    #[test]
    fn the_table_of_this_project_can_be_read() {
        Reasons::read(&crate::workspace::root().join("docs/conformance.md")).unwrap();
    }
}
