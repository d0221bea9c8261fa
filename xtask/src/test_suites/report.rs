//! The counts of a suite, and what differs from the reasons that are listed.

use super::outcome::{Outcome, Test};
use super::reasons::{Class, Reasons};

/// Prints the suite's part; returns what has to be looked at. `complete` when no test was
/// left out by a filter.
pub(super) fn print(suite: &str, tests: &[Test], reasons: &Reasons, complete: bool) -> Vec<String> {
    let count = |outcome| tests.iter().filter(|test| test.outcome == outcome).count();
    println!(
        "\n{suite}: {} tests: {} passed, {} failed, {} skipped, {} hung",
        tests.len(),
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped),
        count(Outcome::Hung),
    );
    let failed = || tests.iter().filter(|test| test.outcome == Outcome::Failed);
    for (class, name) in [
        (Class::Machine, "the machine"),
        (Class::Suite, "the suite"),
        (Class::Choice, "our choice"),
    ] {
        let listed = failed().filter(|test| reasons.of(suite, &test.name) == Some(class));
        println!("  failed because of {name}: {}", listed.count());
    }
    let mut complaints = Vec::new();
    for test in tests {
        let unexpected = match test.outcome {
            Outcome::Failed | Outcome::Hung => reasons.of(suite, &test.name).is_none(),
            Outcome::Passed | Outcome::Skipped => false,
        };
        if unexpected {
            let word = if test.outcome == Outcome::Hung {
                "hung"
            } else {
                "failed"
            };
            println!("  {word}: {}\n      {}", test.name, test.detail);
            complaints.push(format!("{suite}: {word}: {}", test.name));
        }
    }
    for name in reasons.listed(suite) {
        match tests.iter().find(|test| test.name == name) {
            Some(test) if test.outcome == Outcome::Passed => println!("  passes although it is listed: {name}"),
            None if complete => println!("  listed, but the suite has no such test: {name}"),
            _ => {}
        }
    }
    complaints
}
