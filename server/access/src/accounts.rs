use crate::attempts::Attempts;
use crate::password::{Class, Places};
use crate::sessions::Address;
use crate::unsaved::Unsaved;
use crate::{AccessError, Permission, Role, Secret, password};
use model::Timestamp;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::sessions;
use store::tokens::{self, Token};
use store::users::{self, User};
use store::{Database, StoreError};
use tokio::sync::watch;

/// A last use is noted at most this often, so that reading stays reading.
pub(crate) const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

/// Whoever stands behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user_id: String,
    pub user_name: String,
    pub role: Role,
    /// The token's name, where it was one.
    pub token: Option<String>,
}

impl Identity {
    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub role: Role,
    pub lifetime: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct Access {
    pub(crate) database: Database,
    pub(crate) attempts: Arc<Mutex<Attempts>>,
    pub(crate) places: Arc<Places>,
    pub(crate) unsaved: Arc<Unsaved>,
    changes: watch::Sender<u64>,
}

impl Access {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            attempts: Arc::default(),
            places: Arc::default(),
            unsaved: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Changes whenever a user, session or token was removed or lost rights: whoever uses one
    /// for long looks it up again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn notify(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Commits a change that takes rights away.
    pub(crate) async fn commit_and_notify(&self, tx: store::Transaction) -> Result<(), AccessError> {
        commit(tx).await?;
        self.notify();
        Ok(())
    }

    /// Whether there is a user yet.
    pub async fn is_set_up(&self) -> Result<bool, AccessError> {
        Ok(users::count(&mut *self.database.read().await?).await? > 0)
    }

    /// Makes the first user, an administrator; refused once there is one.
    pub async fn set_up(&self, name: &str, password: &str, now: Timestamp) -> Result<User, AccessError> {
        let user = self.new_user(name, password, Role::Admin, now).await?;
        let mut tx = self.database.begin().await?;
        if users::count(&mut tx).await? > 0 {
            return Err(AccessError::AlreadySetUp);
        }
        insert(&mut tx, &user).await?;
        commit(tx).await?;
        Ok(user)
    }

    pub async fn create_user(
        &self,
        name: &str,
        password: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<User, AccessError> {
        let user = self.new_user(name, password, role, now).await?;
        let mut tx = self.database.begin().await?;
        insert(&mut tx, &user).await?;
        commit(tx).await?;
        Ok(user)
    }

    async fn new_user(&self, name: &str, password: &str, role: Role, now: Timestamp) -> Result<User, AccessError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(letter) {
            return Err(AccessError::UserName(name.to_owned()));
        }
        Ok(User {
            id: uuid::Uuid::now_v7().to_string(),
            name: name.to_owned(),
            password_hash: self.places.hash(password, name).await?,
            role,
            created: now,
        })
    }

    pub async fn list_users(&self) -> Result<Vec<User>, AccessError> {
        Ok(users::list(&mut *self.database.read().await?).await?)
    }

    /// When each was last seen is not kept of those who never were.
    pub async fn last_seen(&self, user_id: &str) -> Result<Option<Timestamp>, AccessError> {
        Ok(users::last_seen(&mut *self.database.read().await?, user_id).await?)
    }

    pub async fn remove_user(&self, id: &str) -> Result<(), AccessError> {
        let mut tx = self.database.begin().await?;
        let user = user_by_id(&mut tx, id).await?;
        refuse_for_last_admin(&mut tx, &user).await?;
        users::remove(&mut tx, id).await?;
        self.unsaved.remove(|session| session.user_id == id);
        self.commit_and_notify(tx).await
    }

    /// Gives a user another role, and another password, which revokes their sessions and tokens.
    pub async fn change_user(&self, id: &str, role: Option<Role>, password: Option<&str>) -> Result<User, AccessError> {
        let hash = match password {
            Some(password) => Some(self.places.hash(password, &self.user(id).await?.name).await?),
            None => None,
        };
        let mut tx = self.database.begin().await?;
        let user = user_by_id(&mut tx, id).await?;
        if let Some(role) = role {
            if role != Role::Admin {
                refuse_for_last_admin(&mut tx, &user).await?;
            }
            users::set_role(&mut tx, id, role).await?;
        }
        if let Some(hash) = hash {
            replace_password(&mut tx, id, &hash).await?;
            self.unsaved.remove(|session| session.user_id == id);
        }
        let changed = user_by_id(&mut tx, id).await?;
        self.commit_and_notify(tx).await?;
        Ok(changed)
    }

    /// Changes a user's own password and revokes their sessions and tokens. The current one is
    /// guessed no faster than by signing in.
    pub async fn change_password(
        &self,
        user_id: &str,
        current: &str,
        new: &str,
        from: &str,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let user = self.user(user_id).await?;
        let attempt = self.attempt(&user.name, &Address::of(from), true, now)?;
        let turn = self.places.turn(Class::Known, from).await?;
        attempt
            .judge(password::verify(turn, current, Some(&user.password_hash)))
            .await?;
        let hash = self.places.hash(new, &user.name).await?;
        let mut tx = self.database.begin().await?;
        replace_password(&mut tx, user_id, &hash).await?;
        self.unsaved.remove(|session| session.user_id == user_id);
        self.commit_and_notify(tx).await
    }

    /// # Errors
    /// There is no such user.
    pub async fn user(&self, id: &str) -> Result<User, AccessError> {
        user_by_id(&mut *self.database.read().await?, id).await
    }

    /// Who a token's secret stands for, if anyone.
    pub async fn by_token(&self, secret: &Secret, now: Timestamp) -> Result<Option<Identity>, AccessError> {
        let mut db = self.database.read().await?;
        let Some(token) = tokens::find_by_secret(&mut db, &secret.hash(), now).await? else {
            return Ok(None);
        };
        let Some(user) = users::find(&mut db, &token.user_id).await? else {
            return Ok(None);
        };
        drop(db);
        if token.last_used.is_none_or(|last| now.since(last) >= USE_NOTED_EVERY) {
            self.note(async {
                let mut tx = self.database.begin().await?;
                tokens::record_use(&mut tx, &token.id, now).await?;
                commit(tx).await
            })
            .await;
        }
        let owner = identity(&user);
        Ok(Some(Identity {
            role: token.role.min(owner.role),
            token: Some(token.name),
            ..owner
        }))
    }

    /// A use that cannot be noted, as on a full disk, is a use all the same.
    pub(crate) async fn note(&self, noting: impl Future<Output = Result<(), AccessError>>) {
        if let Err(error) = noting.await {
            tracing::debug!(%error, "cannot note when a session or token was used");
        }
    }

    pub async fn create_token(
        &self,
        user_name: &str,
        new: NewToken,
        now: Timestamp,
    ) -> Result<(Token, Secret), AccessError> {
        if new.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(AccessError::TokenLifetime);
        }
        let mut tx = self.database.begin().await?;
        let user = users::find_by_name(&mut tx, user_name)
            .await?
            .ok_or_else(|| AccessError::UnknownUser(user_name.to_owned()))?;
        if new.role > user.role {
            return Err(AccessError::RoleAboveOwner {
                asked: new.role.word(),
                owner: user.role.word(),
            });
        }
        let secret = Secret::random();
        let token = Token {
            id: uuid::Uuid::now_v7().to_string(),
            secret_hash: secret.hash(),
            user_id: user.id,
            name: new.name,
            role: new.role,
            created: now,
            expires: new.lifetime.map(|lifetime| after(now, lifetime)),
            last_used: None,
        };
        tokens::insert(&mut tx, &token).await?;
        commit(tx).await?;
        Ok((token, secret))
    }

    pub async fn list_tokens(&self, user_id: &str) -> Result<Vec<Token>, AccessError> {
        Ok(tokens::list_of_user(&mut *self.database.read().await?, user_id).await?)
    }

    pub async fn remove_token(&self, id: &str, user_id: &str) -> Result<(), AccessError> {
        let mut tx = self.database.begin().await?;
        if !tokens::remove(&mut tx, id, user_id).await? {
            return Err(AccessError::UnknownToken(id.to_owned()));
        }
        self.commit_and_notify(tx).await
    }
}

/// Whoever knew the old password may have made sessions and tokens with it.
async fn replace_password(db: &mut store::SqliteConnection, user_id: &str, hash: &str) -> Result<(), AccessError> {
    users::set_password(db, user_id, hash).await?;
    sessions::remove_of_user(db, user_id).await?;
    tokens::remove_of_user(db, user_id).await?;
    Ok(())
}

async fn insert(db: &mut store::SqliteConnection, user: &User) -> Result<(), AccessError> {
    if let Some(other) = users::find_by_name(db, &user.name).await? {
        return Err(AccessError::UserTaken(other.name));
    }
    users::insert(db, user).await.map_err(|error| match error {
        StoreError::Taken { value, .. } => AccessError::UserTaken(value),
        other => other.into(),
    })
}

async fn user_by_id(db: &mut store::SqliteConnection, id: &str) -> Result<User, AccessError> {
    let found = users::find(db, id).await?;
    found.ok_or_else(|| AccessError::UnknownUser(id.to_owned()))
}

/// Without an administrator nobody could make one.
async fn refuse_for_last_admin(db: &mut store::SqliteConnection, user: &User) -> Result<(), AccessError> {
    let admins = users::list(db).await?;
    let admins = admins.iter().filter(|u| u.role == Role::Admin).count();
    if user.role == Role::Admin && admins == 1 {
        return Err(AccessError::LastAdmin(user.name.clone()));
    }
    Ok(())
}

pub(crate) async fn commit(tx: store::Transaction) -> Result<(), AccessError> {
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

pub(crate) fn identity(user: &User) -> Identity {
    Identity {
        user_id: user.id.clone(),
        user_name: user.name.clone(),
        role: user.role,
        token: None,
    }
}

pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let nanos = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_unix_nanos(now.as_unix_nanos().saturating_add(nanos))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sessions::Origin;

    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_nanos(seconds * 1_000_000_000)
    }

    pub(crate) async fn scratch() -> (tempfile::TempDir, Access) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::open(&folder.path().join("gantry.db")).await.expect("opens");
        let access = Access::new(database);
        access.set_up("admin", "correct horse", at(0)).await.expect("sets up");
        (folder, access)
    }

    #[tokio::test]
    async fn a_token_has_at_most_its_role() {
        let (_folder, access) = scratch().await;
        access
            .create_user("eve", "another password", Role::Viewer, at(0))
            .await
            .expect("creates");
        let new = |role| NewToken {
            name: "ci".into(),
            role,
            lifetime: Some(Duration::from_secs(10)),
        };
        assert!(matches!(
            access.create_token("eve", new(Role::Admin), at(0)).await,
            Err(AccessError::RoleAboveOwner { .. })
        ));
        let (token, secret) = access
            .create_token("admin", new(Role::Operator), at(0))
            .await
            .expect("creates");
        let identity = access
            .by_token(&secret, at(5))
            .await
            .expect("looks up")
            .expect("is known");
        assert_eq!((identity.role, identity.token.as_deref()), (Role::Operator, Some("ci")));
        assert_eq!(access.by_token(&secret, at(10)).await.expect("looks up"), None);
        access
            .remove_token(&token.id, &identity.user_id)
            .await
            .expect("removes");
        assert_eq!(access.by_token(&secret, at(5)).await.expect("looks up"), None);
    }

    #[tokio::test]
    async fn the_last_administrator_stays_and_set_up_happens_once() {
        let (_folder, access) = scratch().await;
        let admin = access.list_users().await.expect("lists").remove(0);
        assert!(matches!(
            access.remove_user(&admin.id).await,
            Err(AccessError::LastAdmin(_))
        ));
        assert!(matches!(
            access.change_user(&admin.id, Some(Role::Viewer), None).await,
            Err(AccessError::LastAdmin(_))
        ));
        assert!(matches!(
            access.set_up("two", "another password", at(0)).await,
            Err(AccessError::AlreadySetUp)
        ));
    }

    #[tokio::test]
    async fn guessing_the_current_password_is_slowed_down_too() {
        let (_folder, access) = scratch().await;
        let user = access.list_users().await.expect("lists").remove(0);
        let change = |current, at| access.change_password(&user.id, current, "battery staple", "192.0.2.1", at);
        for _ in 0..5 {
            assert!(matches!(
                change("wrong password", at(0)).await,
                Err(AccessError::WrongCredentials)
            ));
        }
        assert!(matches!(
            change("correct horse", at(0)).await,
            Err(AccessError::TooManyAttempts(_))
        ));
        change("correct horse", at(60)).await.expect("changes later");
    }

    #[tokio::test]
    async fn names_that_differ_in_case_alone_are_one() {
        let (_folder, access) = scratch().await;
        let made = access
            .create_user("ADMIN", "another password", Role::Viewer, at(0))
            .await;
        assert!(matches!(made, Err(AccessError::UserTaken(name)) if name == "admin"));
        let signed_in = access
            .sign_in("Admin", "correct horse", Origin::default(), at(1))
            .await
            .expect("signs in");
        assert_eq!(signed_in.identity.user_name, "admin");
    }

    #[tokio::test]
    async fn a_token_that_never_was_valid_is_not_made() {
        let (_folder, access) = scratch().await;
        let new = NewToken {
            name: "ci".into(),
            role: Role::Admin,
            lifetime: Some(Duration::ZERO),
        };
        let made = access.create_token("admin", new, at(0)).await;
        assert!(matches!(made, Err(AccessError::TokenLifetime)));
    }

    #[tokio::test]
    async fn a_new_password_revokes_all_sessions_and_tokens() {
        let (_folder, access) = scratch().await;
        let signed_in = access
            .sign_in("admin", "correct horse", Origin::default(), at(1))
            .await
            .expect("signs in");
        let user = &signed_in.identity.user_id;
        let new = NewToken {
            name: "ci".into(),
            role: Role::Admin,
            lifetime: None,
        };
        let (_, token) = access.create_token("admin", new, at(1)).await.expect("creates");
        access
            .change_password(user, "correct horse", "battery staple", "192.0.2.1", at(1))
            .await
            .expect("changes");
        assert_eq!(access.by_token(&token, at(2)).await.expect("looks up"), None);
        assert_eq!(
            access.by_session(&signed_in.secret, at(2)).await.expect("looks up"),
            None
        );
        access
            .sign_in("admin", "battery staple", Origin::default(), at(1))
            .await
            .expect("signs in anew");
    }
}
