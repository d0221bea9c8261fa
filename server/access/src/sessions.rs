//! Browsers that are signed in.

use crate::accounts::{USE_NOTED_EVERY, after, commit, identity};
use crate::attempts::{Attempts, Keys};
use crate::password::Class;
use crate::{Access, AccessError, Identity, Secret, password};
use model::Timestamp;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::sessions::{self, Session};
use store::{user_addresses, users};

/// How long a browser stays signed in.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);
/// Of a hash of 43; enough to tell sessions apart, and good for nothing else.
const ID_LENGTH: usize = 16;
/// No user has a longer name, and none a longer password.
const MAX_NAME_BYTES: usize = 64;
const MAX_PASSWORD_BYTES: usize = 4 * 1024;
/// Addresses of each user that are remembered.
const KEPT_ADDRESSES: u32 = 20;

/// A browser that has just signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub secret: Secret,
    pub identity: Identity,
    pub expires: Timestamp,
}

/// Where a sign-in came from, as far as is known.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's; guessing is slowed down by it and by name.
    pub address: String,
    pub user_agent: Option<String>,
}

/// A session, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    pub id: String,
    pub current: bool,
    pub created: Timestamp,
    pub last_used: Timestamp,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl Access {
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        from: Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccessError> {
        if name.len() > MAX_NAME_BYTES || password.len() > MAX_PASSWORD_BYTES {
            return Err(AccessError::WrongCredentials);
        }
        let address = Address::of(&from.address);
        let mut db = self.database.read().await?;
        let user = users::find_by_name(&mut db, name).await?;
        let known = match &user {
            Some(user) => user_addresses::contains(&mut db, &user.id, &address.0).await?,
            None => false,
        };
        drop(db);
        let class = if known { Class::Known } else { Class::Stranger };
        let attempt = self.attempt(name, &address, known, now)?;
        let turn = self.places.turn(class, &address.0).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        attempt.judge(password::verify(turn, password, hash)).await?;
        let user = user.ok_or(AccessError::WrongCredentials)?;
        let secret = Secret::random();
        let expires = after(now, SESSION_LIFETIME);
        let session = Session {
            secret_hash: secret.hash(),
            user_id: user.id.clone(),
            created: now,
            expires,
            last_used: now,
            address: Some(from.address).filter(|address| !address.is_empty()),
            user_agent: from.user_agent,
        };
        if let Err(error) = self.save_session(&session, &user.password_hash, &address, now).await {
            self.unsaved.keep(session, error)?;
        }
        Ok(SignedIn {
            secret,
            identity: identity(&user),
            expires,
        })
    }

    /// Stores the session unless the password was changed after `password_hash` was read.
    async fn save_session(
        &self,
        session: &Session,
        password_hash: &str,
        address: &Address,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let mut tx = self.database.begin().await?;
        let user = users::find(&mut tx, &session.user_id).await?;
        if user.is_none_or(|user| user.password_hash != password_hash) {
            return Err(AccessError::WrongCredentials);
        }
        sessions::remove_expired(&mut tx, now).await?;
        sessions::insert(&mut tx, session).await?;
        if !address.0.is_empty() {
            user_addresses::put(&mut tx, &session.user_id, &address.0, now, KEPT_ADDRESSES).await?;
        }
        commit(tx).await
    }

    pub async fn sign_out(&self, secret: &Secret) -> Result<(), AccessError> {
        let hash = secret.hash();
        if self.unsaved.remove(|session| session.secret_hash == hash) {
            self.notify();
            return Ok(());
        }
        let mut tx = self.database.begin().await?;
        sessions::remove(&mut tx, &secret.hash()).await?;
        self.commit_and_notify(tx).await
    }

    /// Who a session's secret stands for, if anyone.
    pub async fn by_session(&self, secret: &Secret, now: Timestamp) -> Result<Option<Identity>, AccessError> {
        let mut db = self.database.read().await?;
        let hash = secret.hash();
        let found = sessions::find(&mut db, &hash, now).await?;
        let Some(session) = found.or_else(|| self.unsaved.find(&hash, now)) else {
            return Ok(None);
        };
        let user = users::find(&mut db, &session.user_id).await?;
        drop(db);
        if now.since(session.last_used) >= USE_NOTED_EVERY {
            self.note(async {
                let mut tx = self.database.begin().await?;
                sessions::record_use(&mut tx, &session.secret_hash, now).await?;
                commit(tx).await
            })
            .await;
        }
        Ok(user.as_ref().map(identity))
    }

    /// The sessions of a user, the newest first; `current` is the one that asks.
    pub async fn sessions(
        &self,
        user_id: &str,
        current: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Vec<SessionInfo>, AccessError> {
        let current = current.map(Secret::hash);
        let sessions = sessions::list_of_user(&mut *self.database.read().await?, user_id, now).await?;
        let unsaved = self.unsaved.of_user(user_id, now);
        Ok(unsaved
            .into_iter()
            .chain(sessions)
            .map(|session| SessionInfo {
                id: id_of(&session).to_owned(),
                current: current.as_ref() == Some(&session.secret_hash),
                created: session.created,
                last_used: session.last_used,
                address: session.address,
                user_agent: session.user_agent,
            })
            .collect())
    }

    /// Signs one browser of a user out.
    pub async fn end_session(&self, user_id: &str, id: &str, now: Timestamp) -> Result<(), AccessError> {
        let is_it = |session: &Session| session.user_id == user_id && id_of(session) == id;
        if self.unsaved.remove(is_it) {
            self.notify();
            return Ok(());
        }
        let mut tx = self.database.begin().await?;
        let sessions = sessions::list_of_user(&mut tx, user_id, now).await?;
        let found = sessions.iter().find(|session| id_of(session) == id);
        let found = found.ok_or_else(|| AccessError::UnknownSession(id.to_owned()))?;
        sessions::remove(&mut tx, &found.secret_hash).await?;
        self.commit_and_notify(tx).await
    }

    /// Begins to judge a password; refused while there is a wait.
    pub(crate) fn attempt(
        &self,
        name: &str,
        address: &Address,
        known: bool,
        now: Timestamp,
    ) -> Result<Attempt<'_>, AccessError> {
        let mut attempts = lock(&self.attempts);
        let keys = attempts.keys(name, &address.0, known);
        attempts.begin(keys, now).map_err(AccessError::TooManyAttempts)?;
        Ok(Attempt {
            attempts: &self.attempts,
            keys,
            is_judged: false,
        })
    }
}

fn lock(attempts: &Mutex<Attempts>) -> MutexGuard<'_, Attempts> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A password that is being judged. Dropped before [`Attempt::judge`], it does not count.
pub(crate) struct Attempt<'a> {
    attempts: &'a Mutex<Attempts>,
    keys: Keys,
    is_judged: bool,
}

impl Attempt<'_> {
    pub(crate) async fn judge(
        mut self,
        check: impl Future<Output = Result<bool, AccessError>>,
    ) -> Result<(), AccessError> {
        self.is_judged = true;
        if !check.await? {
            return Err(AccessError::WrongCredentials);
        }
        lock(self.attempts).succeeded(self.keys);
        Ok(())
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_judged {
            lock(self.attempts).withdraw(self.keys);
        }
    }
}

/// What is taken for one client: an IPv4 address, or the network of an IPv6 address, since a
/// client has all of that.
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn of(text: &str) -> Self {
        let canonical = text.parse::<IpAddr>().map(|address| address.to_canonical());
        Self(match canonical {
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            Ok(IpAddr::V4(address)) => address.to_string(),
            Err(_) => text.to_owned(),
        })
    }
}

fn id_of(session: &Session) -> &str {
    session.secret_hash.get(..ID_LENGTH).unwrap_or(&session.secret_hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::accounts::tests::{at, scratch};

    #[tokio::test]
    async fn a_session_opens_until_it_is_ended() {
        let (_folder, access) = scratch().await;
        let signed_in = access
            .sign_in("admin", "correct horse", Origin::default(), at(1))
            .await
            .expect("signs in");
        let found = access.by_session(&signed_in.secret, at(2)).await.expect("looks up");
        assert_eq!(found.map(|i| i.role), Some(Role::Admin));
        assert_eq!(
            access
                .by_session(&signed_in.secret, after(at(1), SESSION_LIFETIME))
                .await
                .expect("looks up"),
            None
        );
        access.sign_out(&signed_in.secret).await.expect("signs out");
        assert_eq!(
            access.by_session(&signed_in.secret, at(2)).await.expect("looks up"),
            None
        );
    }

    #[tokio::test]
    async fn wrong_name_and_wrong_password_get_one_answer_and_then_a_wait() {
        let (_folder, access) = scratch().await;
        for name in ["admin", "nobody", "admin", "admin", "ADMIN", "admin"] {
            let refused = access
                .sign_in(name, "wrong password", Origin::default(), at(1))
                .await
                .expect_err("is wrong");
            assert!(matches!(refused, AccessError::WrongCredentials));
        }
        let refused = access
            .sign_in("admin", "correct horse", Origin::default(), at(1))
            .await
            .expect_err("must wait");
        assert!(matches!(refused, AccessError::TooManyAttempts(_)));
        access
            .sign_in("admin", "correct horse", Origin::default(), at(10))
            .await
            .expect("signs in later");
    }

    fn from(address: &str) -> Origin {
        Origin {
            address: address.to_owned(),
            user_agent: None,
        }
    }

    #[tokio::test]
    async fn guesses_of_others_hold_a_user_up_at_no_known_address() {
        let (_folder, access) = scratch().await;
        let sign_in = |address: &'static str, at| access.sign_in("admin", "correct horse", from(address), at);
        sign_in("192.0.2.1", at(1)).await.expect("signs in");
        for address in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
            for _ in 0..8 {
                let guess = access.sign_in("admin", "wrong password", from(address), at(2)).await;
                assert!(guess.is_err());
            }
        }
        for name in ["invented", "another"] {
            for _ in 0..8 {
                let guess = access.sign_in(name, "wrong password", from("192.0.2.1"), at(2)).await;
                assert!(guess.is_err());
            }
        }
        sign_in("192.0.2.1", at(2))
            .await
            .expect("signs in from a known address");
        sign_in("192.0.2.77", at(2))
            .await
            .expect("signs in from an unknown one");
        let same_network = sign_in("2001:db8::abcd", at(2)).await;
        assert!(matches!(same_network, Err(AccessError::TooManyAttempts(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn guesses_side_by_side_are_judged_no_oftener_than_one_after_the_other() {
        let (_folder, access) = scratch().await;
        let guess = || {
            let access = access.clone();
            tokio::spawn(async move {
                access
                    .sign_in("admin", "wrong password", from("192.0.2.1"), at(1))
                    .await
            })
        };
        let guesses: Vec<_> = (0..60).map(|_| guess()).collect();
        let (mut judged, mut refused) = (0, 0);
        for guess in guesses {
            match guess.await.expect("no panic").expect_err("is wrong") {
                AccessError::WrongCredentials => judged += 1,
                AccessError::TooManyAttempts(_) | AccessError::Busy => refused += 1,
                other => panic!("{other}"),
            }
        }
        assert!(judged <= 5, "{judged} judged, {refused} refused");
    }

    #[tokio::test]
    async fn a_user_sees_and_ends_other_sessions() {
        let (_folder, access) = scratch().await;
        let sign_in = || access.sign_in("admin", "correct horse", Origin::default(), at(1));
        let (one, two) = (sign_in().await.expect("signs in"), sign_in().await.expect("signs in"));
        let user = &one.identity.user_id;
        let seen = access.sessions(user, Some(&one.secret), at(2)).await.expect("lists");
        let other = seen.iter().find(|session| !session.current).expect("two sessions");
        access.end_session(user, &other.id, at(2)).await.expect("ends");
        assert_eq!(access.by_session(&two.secret, at(3)).await.expect("looks up"), None);
        assert!(access.by_session(&one.secret, at(3)).await.expect("looks up").is_some());
    }
}
