use super::idempotency::Answers;
use crate::panel;
use access::Access;
use engine::Engine;
use ipnet::IpNet;
use shared::create::Created;
use shared::system::Check;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// What the program gives this front door.
pub struct Parts {
    pub engine: Engine,
    pub access: Access,
    /// Lets a browser make the first user, once.
    pub setup_code: Option<String>,
    pub panel: panel::Files,
    pub listens_on: SocketAddr,
    /// Names that the server may be asked under besides its addresses; with none, a server
    /// that does not listen on loopback takes any.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// At once.
    pub most_connections: usize,
    /// Ends streams and sockets when the server ends.
    pub stop: CancellationToken,
    /// Looks at the host; takes a while, and blocks.
    pub check: Arc<dyn Fn() -> Check + Send + Sync>,
    pub version: &'static str,
    pub commit: Option<&'static str>,
}

/// What every handler can reach.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    parts: Parts,
    setup_code: Mutex<Option<String>>,
    started: model::Timestamp,
    created: Answers<Created>,
}

impl Front {
    pub fn new(mut parts: Parts) -> Self {
        let setup_code = Mutex::new(parts.setup_code.take());
        Self(Arc::new(Inner {
            parts,
            setup_code,
            started: crate::now(),
            created: Answers::default(),
        }))
    }

    /// When the server began to serve.
    pub(super) fn started(&self) -> model::Timestamp {
        self.0.started
    }

    /// The answers of requests that made containers.
    pub(super) fn created(&self) -> &Answers<Created> {
        &self.0.created
    }

    /// Whether `code` is the one the server printed.
    pub(super) fn knows_setup_code(&self, code: &str) -> bool {
        let known = self.0.setup_code.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_deref().is_some_and(|known| same(known, code))
    }

    pub(super) fn forget_setup_code(&self) {
        *self.0.setup_code.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl std::ops::Deref for Front {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

/// Takes as long for a near miss as for a wide one.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}
