//! Fair rounds: who is compared takes turns, since a machine is not equally fast
//! from one minute to the next.

use anyhow::Result;
use std::time::Duration;

/// What a container leaves to the kernel, such as taking its network namespace apart,
/// is to be done before the next one is timed.
const REST: Duration = Duration::from_millis(30);

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

/// Each subject once per round, in an order that changes, after one round that does not count. Who fails is
/// left out from then on.
pub(super) fn take_turns(count: usize, subjects: Vec<Subject<'_>>) -> Vec<Outcome> {
    let mut running: Vec<(Subject<'_>, Result<Vec<Duration>, String>)> =
        subjects.into_iter().map(|subject| (subject, Ok(Vec::new()))).collect();
    let mut order = Order::default();
    for round in 0..=count {
        for place in order.next(running.len()) {
            let (subject, times) = &mut running[place];
            std::thread::sleep(REST);
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

/// Shuffles, always the same way, so that nobody always follows the same one.
struct Order(u64);

impl Default for Order {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Order {
    fn next(&mut self, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            // xorshift64, Marsaglia 2003.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let other = usize::try_from(self.0 % (last as u64 + 1)).unwrap_or(0);
            places.swap(last, other);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn_in_every_round_and_follows_different_ones() {
        let mut order = Order::default();
        let rounds: Vec<Vec<usize>> = (0..20).map(|_| order.next(5)).collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(rounds.iter().any(|round| round != &rounds[0]));
    }

    #[test]
    fn who_fails_is_left_out_with_the_reason() {
        let mut runs = 0;
        let subjects = vec![
            Subject::new("good", || Ok(Duration::from_millis(1))),
            Subject::new("bad", || {
                runs += 1;
                anyhow::bail!("broken")
            }),
        ];
        let outcomes = take_turns(3, subjects);
        assert_eq!(outcomes[0].median(), Some(Duration::from_millis(1)));
        assert_eq!(outcomes[1].times.as_ref().unwrap_err(), "broken");
        drop(outcomes);
        assert_eq!(runs, 1);
    }
}
