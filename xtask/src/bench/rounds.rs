//! Fair rounds: who is compared takes turns, since a machine is not equally fast
//! from one minute to the next.

use anyhow::Result;
use std::time::Duration;

/// One of those that are compared.
pub(super) struct Subject<'a> {
    pub(super) name: String,
    /// One run; the time that counts.
    pub(super) run: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(name: impl Into<String>, run: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// What came of one subject.
pub(super) struct Outcome {
    pub(super) name: String,
    /// The times in rising order, or why there are none.
    pub(super) times: Result<Vec<Duration>, String>,
}

impl Outcome {
    pub(super) fn median(&self) -> Option<Duration> {
        let times = self.times.as_ref().ok()?;
        times.get(times.len() / 2).copied()
    }
}

/// Each subject once per round, after one round that does not count. Who fails is
/// left out from then on.
pub(super) fn take_turns(count: usize, subjects: Vec<Subject<'_>>) -> Vec<Outcome> {
    let mut running: Vec<(Subject<'_>, Result<Vec<Duration>, String>)> =
        subjects.into_iter().map(|subject| (subject, Ok(Vec::new()))).collect();
    for round in 0..=count {
        for (subject, times) in &mut running {
            let Ok(taken) = times else { continue };
            match (subject.run)() {
                Ok(time) if round > 0 => taken.push(time),
                Ok(_) => {}
                Err(error) => *times = Err(format!("{error:#}")),
            }
        }
    }
    let outcomes = running.into_iter().map(|(subject, times)| Outcome {
        name: subject.name,
        times: times.map(|mut times| {
            times.sort();
            times
        }),
    });
    outcomes.collect()
}
