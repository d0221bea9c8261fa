//! Access that is withdrawn while it is used: a token revoked, a session ended, a user
//! removed or given a lesser role. What was begun with it ends then.

use super::front::Front;
use super::guard;
use access::Role;
use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use tokio::sync::watch;

/// Expiry, and changes that another process makes (`gantry token`), are noticed this soon;
/// changes of this server at once.
pub(super) const RECHECK: Duration = Duration::from_secs(5);

/// Watches the access of one caller.
#[derive(Clone)]
pub(super) struct Watch {
    front: Front,
    credentials: HeaderMap,
    role: Role,
    changes: watch::Receiver<u64>,
}

impl Watch {
    /// Made before the caller is looked up, so that no change between is missed.
    pub(super) fn new(front: &Front, headers: &HeaderMap) -> Self {
        let mut credentials = HeaderMap::new();
        for name in [AUTHORIZATION, COOKIE] {
            for value in headers.get_all(&name) {
                credentials.append(&name, value.clone());
            }
        }
        Self {
            front: front.clone(),
            credentials,
            role: Role::Viewer,
            changes: front.access.changes(),
        }
    }

    /// The role that must not be lost.
    pub(super) fn of_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Completes once the caller is gone or has a lesser role.
    pub(super) async fn withdrawn(mut self) {
        loop {
            tokio::select! {
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(RECHECK) => {}
            }
            match guard::caller(&self.front, &self.credentials).await {
                Ok(caller) if caller.identity.role >= self.role => {}
                // It could not be looked up; the next round tries again.
                Err(failure) if failure.problem.status >= 500 => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// The body, broken off when the caller's access is withdrawn: an end would look as if it
/// were complete.
pub(super) fn until_withdrawn(body: Body, watch: Watch) -> Body {
    let state = Some((body.into_data_stream(), Box::pin(watch.withdrawn())));
    Body::from_stream(stream::unfold(state, async |state| {
        let (mut pieces, mut withdrawn) = state?;
        let next: Option<Result<Bytes, axum::Error>> = tokio::select! {
            biased;
            () = &mut withdrawn => Some(Err(axum::Error::new(std::io::Error::other("the access was withdrawn")))),
            piece = pieces.next() => piece,
        };
        match next? {
            Ok(piece) => Some((Ok(piece), Some((pieces, withdrawn)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}
