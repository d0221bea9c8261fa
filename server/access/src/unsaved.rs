//! Sessions that a full disk keeps out of the database: who makes room has to sign in first.
//! They last as long as this server.

use crate::AccessError;
use model::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::sessions::Session;

/// The oldest go for more.
const MAX_UNSAVED: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Unsaved(Mutex<Vec<Session>>);

impl Unsaved {
    /// Keeps the session that `error` kept out of the database.
    ///
    /// # Errors
    /// `error`, where it is another one than a full disk.
    pub(crate) fn keep(&self, session: Session, error: AccessError) -> Result<(), AccessError> {
        match error {
            AccessError::Store(store) if store.is_full() => {}
            other => return Err(other),
        }
        let mut sessions = self.lock();
        if sessions.len() == MAX_UNSAVED {
            sessions.remove(0);
        }
        sessions.push(session);
        Ok(())
    }

    pub(crate) fn find(&self, secret_hash: &str, now: Timestamp) -> Option<Session> {
        let sessions = self.lock();
        let found = sessions.iter().find(|session| session.secret_hash == secret_hash);
        found.filter(|session| session.expires > now).cloned()
    }

    pub(crate) fn of_user(&self, user_id: &str, now: Timestamp) -> Vec<Session> {
        let sessions = self.lock();
        let own = sessions.iter().rev().filter(|session| session.user_id == user_id);
        own.filter(|session| session.expires > now).cloned().collect()
    }

    /// Whether there was one.
    pub(crate) fn remove(&self, which: impl Fn(&Session) -> bool) -> bool {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions.retain(|session| !which(session));
        sessions.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(hash: &str, user: &str, expires: i64) -> Session {
        Session {
            secret_hash: hash.to_owned(),
            user_id: user.to_owned(),
            created: Timestamp::from_unix_nanos(1),
            expires: Timestamp::from_unix_nanos(expires),
            last_used: Timestamp::from_unix_nanos(1),
            address: None,
            user_agent: None,
        }
    }

    #[test]
    fn only_a_full_disk_makes_a_session_one_of_memory() {
        let unsaved = Unsaved::default();
        let refused = unsaved.keep(session("a", "ada", 9), AccessError::WrongCredentials);
        assert!(matches!(refused, Err(AccessError::WrongCredentials)));
        assert_eq!(unsaved.find("a", Timestamp::from_unix_nanos(2)), None);
    }

    #[test]
    fn a_session_of_memory_expires_and_goes_with_its_user() {
        let unsaved = Unsaved::default();
        unsaved.lock().extend([session("a", "ada", 9), session("b", "bob", 9)]);
        let (now, later) = (Timestamp::from_unix_nanos(2), Timestamp::from_unix_nanos(9));
        assert!(unsaved.find("a", now).is_some() && unsaved.find("a", later).is_none());
        assert_eq!(unsaved.of_user("bob", now).len(), 1);
        assert!(unsaved.remove(|session| session.user_id == "ada"));
        assert!(unsaved.find("a", now).is_none() && unsaved.find("b", now).is_some());
    }
}
