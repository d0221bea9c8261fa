//! By which names the server may be asked. A page of another site whose own name is made
//! to mean this address would be the same site to the browser (DNS rebinding): so a
//! server that listens on loopback answers to no name but the host's own, and any server
//! only to those it was told, once it was told any. Addresses are always answered: a page
//! cannot be served under one that is not its own.

use super::front::Front;
use super::guard;
use super::problem::Failure;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;

/// Looked at by machines, which know the server by all kinds of names.
const FOR_ANYBODY: &str = "/healthz";

pub(super) async fn known_names(State(front): State<Front>, request: Request, next: Next) -> Result<Response, Failure> {
    let asked = host_of(&request)?;
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

/// The one host a request names: proxies and servers that choose another of two are how
/// requests get past a check. RFC 9112, section 3.2
fn host_of(request: &Request) -> Result<&str, Failure> {
    let wrong = |detail: &str| Failure::new(StatusCode::BAD_REQUEST, "bad_host", detail);
    let mut lines = request.headers().get_all(HOST).iter();
    let host = match (lines.next(), lines.next()) {
        (Some(host), None) => host.to_str().map_err(|_| wrong("the Host header is not ASCII"))?,
        (None, _) if request.version() == Version::HTTP_10 => "",
        (None, _) => return Err(wrong("the Host header is missing")),
        (Some(_), Some(_)) => return Err(wrong("the request has more than one Host header")),
    };
    if !host.is_empty() && guard::host_and_port(host).is_none() {
        return Err(wrong(
            "the Host header is not a name or an address with or without a port",
        ));
    }
    match request.uri().authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => {
            Err(wrong("the Host header is not the host of the request's target"))
        }
        _ => Ok(host),
    }
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
    use axum::body::Body;

    #[test]
    fn a_request_names_one_host_that_can_be_one() {
        let asked = |target: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(target);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(Body::empty()).expect("a request");
            host_of(&request)
                .map(str::to_owned)
                .map_err(|failure| failure.problem.status)
        };
        assert_eq!(asked("/", &["h:8420"]), Ok("h:8420".to_owned()));
        assert_eq!(asked("/", &[""]), Ok(String::new()));
        assert_eq!(asked("http://h/", &["H"]), Ok("H".to_owned()));
        for hosts in [
            &[][..],
            &["h", "h"],
            &["a@b"],
            &["h:80:80"],
            &["h/x"],
            &["[::1"],
            &["h:x"],
        ] {
            assert_eq!(asked("/", hosts), Err(400), "{hosts:?}");
        }
        assert_eq!(asked("http://evil/", &["h"]), Err(400));
        assert_eq!(asked("http://evil@h/", &["h"]), Err(400));
    }

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
