use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Never says which of the two was wrong.
    #[error("user name or password is wrong")]
    WrongCredentials,
    #[error("too many failed attempts; try again in {} s", .0.as_secs().max(1))]
    TooManyAttempts(Duration),
    /// Too many passwords are being checked.
    #[error("too many sign-ins at once; try again in a moment")]
    Busy,
    #[error("a password has 10 to 1024 characters")]
    PasswordLength,
    #[error("this password is easy to guess: {0}; choose another, such as several unrelated words")]
    WeakPassword(&'static str),
    #[error("a token is valid for at least a day; leave `days` out for one that does not expire")]
    TokenLifetime,
    #[error("`{0}` cannot be a user's name; it has 1 to 64 letters, digits, `_`, `.`, `@` or `-`")]
    UserName(String),
    #[error("there is no role `{0}`; give `admin`, `operator` or `viewer`")]
    UnknownRole(String),
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    #[error("user name `{0}` is taken")]
    UserTaken(String),
    #[error("no such session: `{0}`")]
    UnknownSession(String),
    #[error("no such token: `{0}`")]
    UnknownToken(String),
    #[error("a token cannot have the role `{asked}`, since its owner is only `{owner}`")]
    RoleAboveOwner { asked: &'static str, owner: &'static str },
    #[error("this server is set up already; sign in instead")]
    AlreadySetUp,
    #[error("`{0}` is the last administrator and stays")]
    LastAdmin(String),
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    #[error(transparent)]
    Store(#[from] store::StoreError),
}
