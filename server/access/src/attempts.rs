//! Slows the guessing of passwords down. An attempt is counted before its password is
//! checked, so that attempts side by side are counted too.
//!
//! | attempts for | free | longest wait |
//! | --- | --- | --- |
//! | one user name from one address | 5 | 15 min; 30 s where that user signed in from there before |
//! | one user name from all addresses | 50 | 1 min; none where that user signed in from there before |
//!
//! After the free ones each doubles the wait, which begins at two seconds. What is kept is a
//! keyed hash of each name and address, for a fixed number of them.

use model::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const PAIR: Limit = Limit {
    free: 5,
    longest: Duration::from_secs(15 * 60),
};
const KNOWN_PAIR: Limit = Limit {
    longest: Duration::from_secs(30),
    ..PAIR
};
const NAME: Limit = Limit {
    free: 50,
    longest: Duration::from_secs(60),
};
/// Attempts longer ago are forgotten.
const FORGET: Duration = Duration::from_secs(30 * 60);
const MAX_KEYS: usize = 8192;

struct Limit {
    free: u32,
    longest: Duration,
}

/// Who an attempt is for, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    pair: u64,
    name: u64,
    /// The user signed in from this address before.
    known: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Attempts {
    hasher: RandomState,
    by_key: HashMap<u64, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Attempts {
    pub(crate) fn keys(&self, name: &str, address: &str, known: bool) -> Keys {
        let name = name.to_ascii_lowercase();
        Keys {
            pair: self.hasher.hash_one((&name, Some(address))),
            name: self.hasher.hash_one((&name, None::<&str>)),
            known,
        }
    }

    /// Counts an attempt as failed, unless there is still a wait.
    pub(crate) fn begin(&mut self, keys: Keys, now: Timestamp) -> Result<(), Duration> {
        let pair = if keys.known { KNOWN_PAIR } else { PAIR };
        let of_pair = self.wait(keys.pair, &pair, now);
        let of_name = if keys.known {
            None
        } else {
            self.wait(keys.name, &NAME, now)
        };
        if let Some(wait) = of_pair.max(of_name) {
            return Err(wait);
        }
        self.count(keys.pair, now);
        if !keys.known {
            self.count(keys.name, now);
        }
        Ok(())
    }

    /// The password was right.
    pub(crate) fn succeeded(&mut self, keys: Keys) {
        self.by_key.remove(&keys.pair);
        if !keys.known {
            self.take_back(keys.name);
        }
    }

    /// The attempt was not judged.
    pub(crate) fn withdraw(&mut self, keys: Keys) {
        self.take_back(keys.pair);
        if !keys.known {
            self.take_back(keys.name);
        }
    }

    fn wait(&self, key: u64, limit: &Limit, now: Timestamp) -> Option<Duration> {
        let failures = self.by_key.get(&key)?;
        let doublings = failures.count.checked_sub(limit.free)?;
        let whole = Duration::from_secs(2)
            .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(limit.longest);
        whole
            .checked_sub(now.since(failures.last))
            .filter(|left| !left.is_zero())
    }

    fn count(&mut self, key: u64, now: Timestamp) {
        if self.by_key.len() >= MAX_KEYS && !self.by_key.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.by_key.entry(key).or_insert(Failures { count: 0, last: now });
        let forgotten = now.since(failures.last) >= FORGET;
        *failures = Failures {
            count: if forgotten { 1 } else { failures.count.saturating_add(1) },
            last: now,
        };
    }

    fn take_back(&mut self, key: u64) {
        if let Some(failures) = self.by_key.get_mut(&key) {
            failures.count = failures.count.saturating_sub(1);
            if failures.count == 0 {
                self.by_key.remove(&key);
            }
        }
    }

    /// Drops what is forgotten anyway, and if that is not enough a quarter: the fewest
    /// attempts first, so that a flood of invented names does not clear those that wait.
    fn make_room(&mut self, now: Timestamp) {
        self.by_key.retain(|_, failures| now.since(failures.last) < FORGET);
        if self.by_key.len() < MAX_KEYS {
            return;
        }
        let mut all: Vec<_> = self.by_key.iter().map(|(key, f)| (f.count, f.last, *key)).collect();
        all.sort_unstable();
        for (_, _, key) in &all[..MAX_KEYS / 4] {
            self.by_key.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn waiting_begins_after_five_attempts_doubles_and_ends_with_a_success() {
        let mut attempts = Attempts::default();
        let ada = attempts.keys("ada", "192.0.2.1", false);
        for _ in 0..5 {
            assert_eq!(attempts.begin(ada, at(0)), Ok(()));
        }
        // Counted before they were judged: the sixth side by side with them waits as well.
        assert_eq!(attempts.begin(ada, at(0)), Err(Duration::from_secs(2)));
        assert_eq!(attempts.begin(ada, at(2)), Ok(()));
        assert_eq!(attempts.begin(ada, at(2)), Err(Duration::from_secs(4)));
        assert_eq!(
            attempts.begin(attempts.keys("Ada", "192.0.2.1", false), at(3)),
            Err(Duration::from_secs(3))
        );
        attempts.succeeded(ada);
        assert_eq!(attempts.begin(ada, at(3)), Ok(()));
    }

    #[test]
    fn others_attempts_hold_nobody_up_at_an_address_known_for_them() {
        let mut attempts = Attempts::default();
        let known = attempts.keys("ada", "192.0.2.1", true);
        for address in 0..100 {
            let guess = attempts.keys("ada", &format!("198.51.100.{address}"), false);
            let _ = attempts.begin(guess, at(0));
            let invented = attempts.keys(&format!("invented {address}"), "192.0.2.1", false);
            let _ = attempts.begin(invented, at(0));
        }
        assert_eq!(attempts.begin(known, at(0)), Ok(()));
        let elsewhere = attempts.keys("ada", "203.0.113.9", false);
        let wait = attempts
            .begin(elsewhere, at(0))
            .expect_err("one name from many addresses");
        assert!(wait <= NAME.longest, "{wait:?}");
        for seconds in 0..2000 {
            let _ = attempts.begin(known, at(seconds));
        }
        let wait = attempts.begin(known, at(2000)).expect_err("many attempts");
        assert!(wait <= KNOWN_PAIR.longest, "{wait:?}");
    }

    #[test]
    fn an_attempt_that_was_not_judged_is_not_counted() {
        let mut attempts = Attempts::default();
        let ada = attempts.keys("ada", "192.0.2.1", false);
        for _ in 0..100 {
            assert_eq!(attempts.begin(ada, at(0)), Ok(()));
            attempts.withdraw(ada);
        }
        assert!(attempts.by_key.is_empty());
    }

    #[test]
    fn any_number_of_names_takes_the_same_room_and_frees_nobody_who_waits() {
        let mut attempts = Attempts::default();
        let ada = attempts.keys("ada", "192.0.2.1", false);
        for _ in 0..5 {
            attempts.begin(ada, at(0)).expect("are free");
        }
        for number in 0..MAX_KEYS {
            let invented = attempts.keys(&format!("{number}"), "192.0.2.1", false);
            let _ = attempts.begin(invented, at(0));
            assert!(attempts.by_key.len() <= MAX_KEYS);
        }
        assert!(attempts.begin(ada, at(1)).is_err());
    }
}
