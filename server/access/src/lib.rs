//! Who may do what: users with a role, browser sessions, and tokens for programs.
//!
//! Passwords are kept as argon2id, secrets of sessions and tokens as their
//! SHA-256: what lies in the database opens nothing. Time is passed in.
#![forbid(unsafe_code)]

mod accounts;
mod attempts;
mod error;
mod password;
mod secret;
mod sessions;
mod unsaved;
mod weak;

pub use accounts::{Access, Identity, NewToken};
pub use error::AccessError;
pub use model::role::{Permission, Role};
pub use secret::Secret;
pub use sessions::{Origin, SESSION_LIFETIME, SessionInfo, SignedIn};
pub use store::tokens::Token;
pub use store::users::User;
