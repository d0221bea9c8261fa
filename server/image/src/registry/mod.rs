//! Registries: distribution-spec, over HTTP.

mod auth;
mod client;
mod safety;

pub(crate) use client::{Registry, client};

/// For one pull; never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, …)", self.username)
    }
}
