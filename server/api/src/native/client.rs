//! Which client sent a request, seen through proxies that are trusted.
//!
//! A proxy appends the address it received a request from to `X-Forwarded-For`, or to
//! `Forwarded` (RFC 7239). Anybody can send these headers: they count only on connections from
//! a trusted proxy, and only from the right up to the first address that is not one.

use super::front::Front;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{FORWARDED, HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
use axum::http::{Extensions, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// A year; browsers ask this name by HTTPS alone from then on.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// A trusted proxy received the request by HTTPS.
    pub(super) is_https: bool,
}

/// Tells every handler the client, and behind HTTPS its browser to stay there.
pub(super) async fn identify(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let client = Client::of(&front.trusted_proxies, peer(request.extensions()), request.headers());
    request.extensions_mut().insert(client);
    let mut response = next.run(request).await;
    if client.is_https {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let unknown = IpAddr::from([0, 0, 0, 0]);
    peer.map_or(unknown, |ConnectInfo(peer)| peer.ip().to_canonical())
}

impl Client {
    fn of(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut client = Self {
            address: peer,
            is_https: false,
        };
        if !is_trusted(&peer) {
            return client;
        }
        // Proxies set one of the two, and pass the other on as a client wrote it.
        let uses_old_form = headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED_PROTO);
        let (addresses, scheme) = if uses_old_form {
            let scheme = elements(headers, &FORWARDED_PROTO).next();
            let addresses = elements(headers, &FORWARDED_FOR).map(node);
            (addresses.collect::<Vec<_>>(), scheme)
        } else {
            let addresses = elements(headers, &FORWARDED).map(|element| parameter(element, "for").and_then(node));
            let nearest = elements(headers, &FORWARDED).next();
            (
                addresses.collect(),
                nearest.and_then(|element| parameter(element, "proto")),
            )
        };
        client.is_https = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        for address in addresses {
            // What hides its address, or is none, ends the chain at the proxy that tells of it.
            let Some(address) = address else { break };
            client.address = address;
            if !is_trusted(&address) {
                break;
            }
        }
        client
    }
}

/// The elements of a list header, the last first.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// A parameter of an element of `Forwarded`.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().expect("a header"));
        }
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        let client = Client::of(&trusted, peer.parse().expect("an address"), &headers);
        (client.address.to_string(), client.is_https)
    }

    #[test]
    fn headers_of_anybody_but_a_trusted_proxy_count_for_nothing() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")];
        assert_eq!(client("198.51.100.1", &lines), ("198.51.100.1".to_owned(), false));
        assert_eq!(client("10.0.0.1", &lines), ("192.0.2.1".to_owned(), true));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let of = |value: &str| client("10.0.0.1", &[("x-forwarded-for", value)]).0;
        assert_eq!(of("203.0.113.66, 192.0.2.1"), "192.0.2.1");
        assert_eq!(of("203.0.113.66, 192.0.2.1, 10.0.0.2"), "192.0.2.1");
        assert_eq!(of("10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(of("192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(of("[2001:db9::1]:4711"), "2001:db9::1");
        assert_eq!(of("2001:db9::1"), "2001:db9::1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("192.0.2.1, unknown"), "10.0.0.1");
        assert_eq!(of(""), "10.0.0.1");
        let lines = [("x-forwarded-for", "203.0.113.66"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client("10.0.0.1", &lines).0, "192.0.2.1");
    }

    #[test]
    fn the_standard_header_is_read_where_the_older_ones_are_missing() {
        let of = |value: &str| client("10.0.0.1", &[("forwarded", value)]);
        assert_eq!(
            of("for=203.0.113.66, for=192.0.2.1;proto=https;by=10.0.0.1"),
            ("192.0.2.1".to_owned(), true)
        );
        assert_eq!(of("For=\"[2001:db9::17]:4711\";Proto=http").0, "2001:db9::17");
        assert_eq!(of("for=_hidden").0, "10.0.0.1");
        let both = [("forwarded", "for=203.0.113.66"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client("10.0.0.1", &both).0, "192.0.2.1");
    }
}
