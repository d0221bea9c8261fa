//! Browsers that are signed in.

use crate::accounts::{USE_NOTED_EVERY, after, commit, identity};
use crate::{Access, AccessError, Identity, Secret, password};
use model::Timestamp;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use store::sessions::{self, Session};
use store::users;

/// How long a browser stays signed in.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);
/// Of a hash of 43; enough to tell sessions apart, and good for nothing else.
const ID_LENGTH: usize = 16;

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
        let keys = [&*format!("name {name}"), &*format!("from {}", from.address)];
        if let Some(wait) = self.attempts().wait(&keys, now) {
            return Err(AccessError::TooManyAttempts(wait));
        }
        let user = users::find_by_name(&mut *self.database.read().await?, name).await?;
        let right = password::verify(password, user.as_ref().map(|u| u.password_hash.as_str())).await?;
        let Some(user) = user.filter(|_| right) else {
            self.attempts().failed(&keys, now);
            return Err(AccessError::WrongCredentials);
        };
        self.attempts().succeeded(&keys);
        let secret = Secret::random();
        let expires = after(now, SESSION_LIFETIME);
        let mut tx = self.database.begin().await?;
        sessions::remove_expired(&mut tx, now).await?;
        let session = Session {
            secret_hash: secret.hash(),
            user_id: user.id.clone(),
            created: now,
            expires,
            last_used: now,
            address: Some(from.address).filter(|address| !address.is_empty()),
            user_agent: from.user_agent,
        };
        sessions::insert(&mut tx, &session).await?;
        commit(tx).await?;
        Ok(SignedIn {
            secret,
            identity: identity(&user)?,
            expires,
        })
    }

    pub async fn sign_out(&self, secret: &Secret) -> Result<(), AccessError> {
        let mut tx = self.database.begin().await?;
        sessions::remove(&mut tx, &secret.hash()).await?;
        commit(tx).await
    }

    /// Who a session's secret stands for, if anyone.
    pub async fn by_session(&self, secret: &Secret, now: Timestamp) -> Result<Option<Identity>, AccessError> {
        let mut db = self.database.read().await?;
        let Some(session) = sessions::find(&mut db, &secret.hash(), now).await? else {
            return Ok(None);
        };
        let user = users::find(&mut db, &session.user_id).await?;
        drop(db);
        if now.since(session.last_used) >= USE_NOTED_EVERY {
            let mut tx = self.database.begin().await?;
            sessions::record_use(&mut tx, &session.secret_hash, now).await?;
            commit(tx).await?;
        }
        user.as_ref().map(identity).transpose()
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
        Ok(sessions
            .into_iter()
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
        let mut tx = self.database.begin().await?;
        let sessions = sessions::list_of_user(&mut tx, user_id, now).await?;
        let found = sessions.iter().find(|session| id_of(session) == id);
        let found = found.ok_or_else(|| AccessError::UnknownSession(id.to_owned()))?;
        sessions::remove(&mut tx, &found.secret_hash).await?;
        commit(tx).await
    }

    fn attempts(&self) -> MutexGuard<'_, crate::attempts::Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
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
        for name in ["admin", "nobody", "admin", "admin", "admin"] {
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
