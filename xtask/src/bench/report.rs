//! What is printed: a table a measurement, and whether the targets are met.

use super::rounds::Outcome;
use std::time::Duration;

/// Ours is to take at most `part` of what the peer `than` takes.
pub(super) struct Target {
    pub(super) ours: &'static str,
    pub(super) than: &'static str,
    /// 3 for a third, 1 for as much, 0.5 for twice as much.
    pub(super) part: f64,
}

/// Medians in milliseconds, and for the peers how much of theirs ours is.
pub(super) fn times(title: &str, rounds: usize, outcomes: &[Outcome], targets: &[Target]) {
    println!("\n{title}, medians of {rounds} rounds");
    let median_of = |name: &str| outcomes.iter().find(|o| o.name == name).and_then(Outcome::median);
    let ours = outcomes.first().and_then(Outcome::median);
    for outcome in outcomes {
        match (&outcome.times, outcome.median()) {
            (Ok(times), Some(median)) => {
                let ratio = match ours {
                    Some(ours) if outcomes.first().is_some_and(|first| first.name != outcome.name) => {
                        format!("   {} is {:.2} of it", outcomes[0].name, ratio(ours, median))
                    }
                    _ => String::new(),
                };
                let (first, last) = (times.first().copied(), times.last().copied());
                println!(
                    "  {:<34} {:>9.2} ms   ({:.2} to {:.2}){ratio}",
                    outcome.name,
                    ms(median),
                    ms(first.unwrap_or_default()),
                    ms(last.unwrap_or_default()),
                );
            }
            (Err(why), _) => println!("  {:<34} does not run here: {why}", outcome.name),
            _ => println!("  {:<34} was not measured", outcome.name),
        }
    }
    for target in targets {
        if let (Some(ours), Some(theirs)) = (median_of(target.ours), median_of(target.than)) {
            let is = ratio(ours, theirs);
            let wanted = 1.0 / target.part;
            let share = if target.part > 1.0 {
                format!("at most 1/{:.0} of", target.part)
            } else if target.part < 1.0 {
                format!("at most {wanted:.0} times")
            } else {
                "no longer than".to_owned()
            };
            verdict(
                &format!("{} takes {share} {}", target.ours, target.than),
                &format!("{is:.3}, wanted {wanted:.3}"),
                is <= wanted,
            );
        }
    }
}

pub(super) fn verdict(what: &str, figure: &str, met: bool) {
    println!("  target: {what}: {figure}: {}", if met { "met" } else { "NOT MET" });
}

pub(super) fn figure(name: &str, mib: f64, remark: &str) {
    println!("  {name:<34} {mib:>9.2} MiB  {remark}");
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
