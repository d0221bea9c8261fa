//! HTTP clients: one for all registries that are reached in the same way, so that
//! connections are kept.

use super::{Patience, Reach, safety};
use crate::ImageError;
use model::registry::Tls;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("gantry/", env!("CARGO_PKG_VERSION"));
/// Programs behind a proxy leave names to it.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    unverified: bool,
    authorities: Option<String>,
    /// Names that mean addresses of the inside are not found.
    outward: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Clients {
    made: Arc<Mutex<HashMap<Way, Client>>>,
    pub(crate) patience: Patience,
}

impl Clients {
    pub(crate) fn new(patience: Patience) -> Self {
        // Refused when the program has chosen one already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            made: Arc::default(),
            patience,
        }
    }

    /// For the registry itself.
    pub(super) fn home(&self, reach: &Reach) -> Result<Client, ImageError> {
        self.get(Way {
            unverified: reach.tls == Tls::Unverified,
            authorities: reach.authorities.clone(),
            outward: false,
        })
    }

    /// For where the registry sends us. Unverified is only what the user said may be.
    pub(super) fn elsewhere(&self, reach: &Reach, outward: bool) -> Result<Client, ImageError> {
        self.get(Way {
            unverified: false,
            authorities: reach.authorities.clone(),
            outward,
        })
    }

    /// For what is no registry. Steps are followed by hand.
    pub(crate) fn any(&self, outward: bool) -> Result<Client, ImageError> {
        self.get(Way {
            unverified: false,
            authorities: None,
            outward,
        })
    }

    fn get(&self, way: Way) -> Result<Client, ImageError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&way) {
            return Ok(client.clone());
        }
        let client = self.make(&way)?;
        made.insert(way, client.clone());
        Ok(client)
    }

    fn make(&self, way: &Way) -> Result<Client, ImageError> {
        let unusable = |error: reqwest::Error| ImageError::Unreachable {
            registry: "any".to_owned(),
            reason: error.to_string(),
        };
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(self.patience.silence)
            // Blobs side by side are faster on connections of their own.
            .http1_only()
            // Followed by hand: each step is judged.
            .redirect(redirect::Policy::none());
        if way.unverified {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(pem) = &way.authorities {
            builder = with_authorities(builder, pem)?;
        }
        if way.outward && !PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
            builder = builder.dns_resolver(Outward);
        }
        builder.build().map_err(unusable)
    }
}

fn with_authorities(builder: ClientBuilder, pem: &str) -> Result<ClientBuilder, ImageError> {
    let certificates = read_authorities(pem)?;
    Ok(builder.tls_certs_merge(certificates))
}

fn read_authorities(pem: &str) -> Result<Vec<Certificate>, ImageError> {
    let malformed = |why: &str| ImageError::malformed("the registry's certificate authority", why);
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(malformed("it holds no certificate; give it in PEM")),
        Err(error) => Err(malformed(&error.to_string())),
    }
}

/// Finds no address that only the inside should reach: what a name meant when it was
/// judged may be another thing when it is connected to.
#[derive(Debug, Clone)]
struct Outward;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` means an address on the inside")]
pub(super) struct Inwards(pub(super) String);

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<_> = found
                .filter(|address| !safety::is_inside_address(address.ip()))
                .collect();
            if outside.is_empty() {
                return Err(Inwards(name.as_str().to_owned()).into());
            }
            let outside: Addrs = Box::new(outside.into_iter());
            Ok(outside)
        })
    }
}
