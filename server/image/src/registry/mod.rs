//! Registries: distribution-spec, over HTTP.
//!
//! Whoever answers for a registry is not trusted: what it sends is bounded and hashed,
//! and where it sends us is judged before we go there. Credentials go to the registry
//! itself and to the place it gets its tokens from, never in the clear and nowhere else.

mod auth;
mod client;
mod clients;
mod login;
mod pace;
mod safety;
mod token;
mod upload;

pub(crate) use client::{Registry, Wish};
pub(crate) use clients::Clients;
pub use login::Welcome;
pub(crate) use pace::Pace;
pub(crate) use safety::leads_inside;
pub(crate) use upload::{Mount, Upload};

use crate::ImageError;
use model::registry::Tls;
use std::fmt;
use std::time::Duration;

/// Who we are to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Password {
        username: String,
        password: String,
    },
    /// Stands for a login made before, and is exchanged for tokens: OAuth 2.0, "Refreshing
    /// an Access Token". Docker's `identitytoken`.
    Identity(String),
    /// Sent as it is. Docker's `registrytoken`.
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Login({username}, …)"),
            Self::Identity(_) => f.write_str("Login(identity token)"),
            Self::Token(_) => f.write_str("Login(token)"),
        }
    }
}

/// How a registry is reached, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    pub login: Option<Login>,
    pub tls: Tls,
    /// Certificates in PEM that are believed besides the system's.
    pub authorities: Option<String>,
}

impl Reach {
    /// Whether it can be reached so at all: the authorities are certificates.
    pub fn check(&self) -> Result<(), ImageError> {
        Clients::new(Patience::default()).home(self).map(drop)
    }
}

/// How long a registry is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// Tries of a request that gets no answer, or one that says "later".
    pub attempts: u32,
    /// Doubles from try to try.
    pub first_pause: Duration,
    /// The most that a registry may ask for by `Retry-After`.
    pub most_pause: Duration,
    /// Without a byte for this long, the connection is dead.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            most_pause: Duration::from_secs(60),
            silence: Duration::from_secs(30),
        }
    }
}
