use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Never says which of the two was wrong.
    #[error("user name or password is wrong")]
    WrongCredentials,
    #[error("too many failed attempts; try again in {} s", .0.as_secs().max(1))]
    TooManyAttempts(Duration),
    #[error("a password has 10 to 1024 characters")]
    PasswordLength,
    #[error("`{0}` cannot be a user's name; it has 1 to 64 letters, digits, `_`, `.`, `@` or `-`")]
    UserName(String),
    #[error("there is no role `{0}`; give `admin`, `operator` or `viewer`")]
    UnknownRole(String),
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    #[error("user name `{0}` is taken")]
    UserTaken(String),
    #[error("there is no session `{0}` of yours")]
    UnknownSession(String),
    #[error("there is no token `{0}` of yours")]
    UnknownToken(String),
    #[error("a token cannot have the role `{asked}`, since its owner is only `{owner}`")]
    RoleAboveOwner { asked: &'static str, owner: String },
    #[error("this server is set up already; sign in instead")]
    AlreadySetUp,
    #[error("`{0}` is the last administrator and stays")]
    LastAdmin(String),
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    #[error(transparent)]
    Store(#[from] store::StoreError),
}
