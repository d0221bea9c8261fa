//! Hashing and checking passwords, a few at once: each takes a processor for a moment and
//! 19 MiB. Half of the places are kept for addresses that a user signed in from before, so
//! that strangers cannot keep everybody else waiting.

use crate::{AccessError, weak};
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of those that run and those that wait, for strangers and for the others.
const MAX_WAITING: [usize; 2] = [8, 64];
/// Of one address, among strangers.
const MAX_OF_ADDRESS: usize = 4;

/// Checked when there is no such user, so that both answers take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$QqZlIYI4ZrzNdcMZ3TOVkgrjj5vrDFVIbIfQg6Zg3iQ";

/// Whose password is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Stranger,
    /// Signed in already, or from an address that this user signed in from before.
    Known,
}

/// The places where passwords are checked.
#[derive(Debug)]
pub(crate) struct Places {
    /// One runs at a time in each class.
    running: [Arc<Semaphore>; 2],
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    count: [usize; 2],
    by_address: HashMap<String, usize>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            running: [1, 1].map(|places| Arc::new(Semaphore::new(places))),
            waiting: Mutex::default(),
        }
    }
}

/// A turn to check one password. It is held until the check ends, also when nobody waits
/// for its result any more.
pub(crate) struct Turn {
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

/// A place in the queue.
struct Place {
    places: Arc<Places>,
    class: Class,
    /// Of a stranger; the others are not counted by address.
    address: Option<String>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.places.waiting();
        waiting.count[self.class as usize] -= 1;
        let Some(address) = &self.address else { return };
        if let Some(count) = waiting.by_address.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                waiting.by_address.remove(address);
            }
        }
    }
}

impl Places {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; refused at once when too many wait already.
    pub(crate) async fn turn(self: &Arc<Self>, class: Class, address: &str) -> Result<Turn, AccessError> {
        let place = self.enter(class, address)?;
        let permit = self.running[class as usize].clone().acquire_owned().await;
        Ok(Turn {
            _place: place,
            _permit: permit.expect("the semaphore is never closed"),
        })
    }

    fn enter(self: &Arc<Self>, class: Class, address: &str) -> Result<Place, AccessError> {
        let mut waiting = self.waiting();
        let of_address = waiting.by_address.get(address).copied().unwrap_or_default();
        let is_full = waiting.count[class as usize] >= MAX_WAITING[class as usize];
        if is_full || (class == Class::Stranger && of_address >= MAX_OF_ADDRESS) {
            return Err(AccessError::Busy);
        }
        waiting.count[class as usize] += 1;
        if class == Class::Stranger {
            waiting.by_address.insert(address.to_owned(), of_address + 1);
        }
        drop(waiting);
        Ok(Place {
            places: Arc::clone(self),
            class,
            address: (class == Class::Stranger).then(|| address.to_owned()),
        })
    }

    /// The hash of a new password of the user `name`.
    pub(crate) async fn hash(self: &Arc<Self>, password: &str, name: &str) -> Result<String, AccessError> {
        if !(10..=1024).contains(&password.chars().count()) {
            return Err(AccessError::PasswordLength);
        }
        if let Some(why) = weak::reason(password, name) {
            return Err(AccessError::WeakPassword(why));
        }
        let turn = self.turn(Class::Known, "").await?;
        let password = password.to_owned();
        blocking(turn, move || {
            Argon2::default()
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
        })
        .await?
        .map_err(|e| AccessError::Hash(e.to_string()))
    }
}

/// Whether `password` belongs to `hash`; always false without one.
pub(crate) async fn verify(turn: Turn, password: &str, hash: Option<&str>) -> Result<bool, AccessError> {
    let (password, known) = (password.to_owned(), hash.is_some());
    let hash = hash.unwrap_or(NOBODY).to_owned();
    let matches = blocking(turn, move || {
        let parsed = PasswordHash::new(&hash).map_err(|e| AccessError::Hash(e.to_string()))?;
        Ok::<_, AccessError>(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    })
    .await??;
    Ok(known && matches)
}

async fn blocking<T: Send + 'static>(turn: Turn, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AccessError> {
    tokio::task::spawn_blocking(move || {
        let outcome = work();
        drop(turn);
        outcome
    })
    .await
    .map_err(|e| AccessError::Hash(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_taken() {
        let places = Arc::new(Places::default());
        let hashed = places.hash("correct horse", "ada").await.expect("hashes");
        assert!(hashed.starts_with("$argon2id$"));
        for (password, hash, right) in [
            ("correct horse", Some(&*hashed), true),
            ("correct house", Some(&*hashed), false),
            ("correct horse", None, false),
        ] {
            let turn = places.turn(Class::Stranger, "a").await.expect("has room");
            assert_eq!(
                verify(turn, password, hash).await.expect("verifies"),
                right,
                "{password}"
            );
        }
        assert!(matches!(
            places.hash("short", "ada").await,
            Err(AccessError::PasswordLength)
        ));
        assert!(matches!(
            places.hash("aaaaaaaaaa", "ada").await,
            Err(AccessError::WeakPassword(_))
        ));
        assert!(places.waiting().by_address.is_empty());
    }

    #[tokio::test]
    async fn strangers_fill_their_own_places_and_those_of_one_address_a_part_of_them() {
        let places = Arc::new(Places::default());
        let mut held = Vec::new();
        for _ in 0..MAX_OF_ADDRESS {
            held.push(places.enter(Class::Stranger, "a").expect("has room"));
        }
        assert!(matches!(places.enter(Class::Stranger, "a"), Err(AccessError::Busy)));
        while let Ok(place) = places.enter(Class::Stranger, &format!("b{}", held.len())) {
            held.push(place);
        }
        assert_eq!(held.len(), MAX_WAITING[Class::Stranger as usize]);
        let turn = places.turn(Class::Known, "a").await.expect("has a place of its own");
        drop((turn, held));
        let waiting = places.waiting();
        assert_eq!((waiting.count, waiting.by_address.len()), ([0, 0], 0));
    }
}
