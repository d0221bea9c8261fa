//! By which names the server may be asked. A page of another site whose own name is made
//! to mean this address would be the same site to the browser (DNS rebinding): so a
//! server that listens on loopback answers to no name but the host's own, and any server
//! only to those it was told, once it was told any. Addresses are always answered: a page
//! cannot be served under one that is not its own.

use super::front::Front;
use super::problem::Failure;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;

/// Looked at by machines, which know the server by all kinds of names.
const FOR_ANYBODY: &str = "/healthz";

pub(super) async fn known_names(State(front): State<Front>, request: Request, next: Next) -> Result<Response, Failure> {
    let asked = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let strict = front.listens_on.ip().is_loopback() || !front.allowed_hosts.is_empty();
    if strict && request.uri().path() != FOR_ANYBODY && !is_known(asked, &front.allowed_hosts) {
        return Err(Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown_host",
            format!("this server is not known as `{asked}`"),
        )
        .hint("Start it with --allowed-host NAME for each name it is asked under, such as that of a proxy in front."));
    }
    Ok(next.run(request).await)
}

fn is_known(host: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_loopback_and_named_hosts_are_known() {
        let allowed = ["panel.example".to_owned()];
        for known in [
            "127.0.0.1:8420",
            "[::1]:8420",
            "localhost",
            "x.localhost:1",
            "192.0.2.7",
            "Panel.Example:443",
            "panel.example.",
        ] {
            assert!(is_known(known, &allowed), "{known}");
        }
        for foreign in [
            "",
            ":8420",
            "evil.example",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "panel.example.evil",
            "[panel.example",
            "1.2.3",
        ] {
            assert!(!is_known(foreign, &[]), "{foreign}");
        }
    }
}
