use model::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Slows guessing down: after five failures in a row for one user name or from
/// one address, each further one doubles a wait that starts at two seconds.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_key: HashMap<String, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

const FREE: u32 = 5;
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Failures older than this are forgotten, and the table never outgrows this many keys.
const FORGET: Duration = Duration::from_secs(30 * 60);
const MOST_KEYS: usize = 10_000;

impl Attempts {
    /// How long one must still wait at `now`, the longest of all keys.
    pub(crate) fn wait(&self, keys: &[&str], now: Timestamp) -> Option<Duration> {
        let wait = |key: &&str| {
            let failures = self.by_key.get(*key)?;
            let doublings = failures.count.checked_sub(FREE)?;
            let whole = Duration::from_secs(2)
                .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
                .min(LONGEST);
            whole
                .checked_sub(now.since(failures.last))
                .filter(|left| !left.is_zero())
        };
        keys.iter().filter_map(wait).max()
    }

    pub(crate) fn failed(&mut self, keys: &[&str], now: Timestamp) {
        if self.by_key.len() >= MOST_KEYS {
            self.by_key
                .retain(|_, failures| now.since(failures.last) < FORGET && failures.count >= FREE);
        }
        for key in keys {
            let failures = self
                .by_key
                .entry((*key).to_owned())
                .or_insert(Failures { count: 0, last: now });
            let forgotten = now.since(failures.last) >= FORGET;
            *failures = Failures {
                count: if forgotten { 1 } else { failures.count.saturating_add(1) },
                last: now,
            };
        }
    }

    pub(crate) fn succeeded(&mut self, keys: &[&str]) {
        for key in keys {
            self.by_key.remove(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_and_success_forgives() {
        let at = |seconds: i64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            attempts.failed(&["ada"], at(0));
        }
        assert_eq!(attempts.wait(&["ada"], at(0)), None);
        attempts.failed(&["ada"], at(0));
        assert_eq!(attempts.wait(&["bob", "ada"], at(1)), Some(Duration::from_secs(1)));
        attempts.failed(&["ada"], at(2));
        assert_eq!(attempts.wait(&["ada"], at(2)), Some(Duration::from_secs(4)));
        for _ in 0..40 {
            attempts.failed(&["ada"], at(2));
        }
        assert_eq!(attempts.wait(&["ada"], at(2)), Some(LONGEST));
        attempts.succeeded(&["ada"]);
        assert_eq!(attempts.wait(&["ada"], at(2)), None);
    }
}
