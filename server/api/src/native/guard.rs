//! Who asks, and whether they may: a session's cookie or a token, and for
//! browsers the page they ask from.

use super::body::Path;
use super::front::Front;
use super::problem::{Answer, Failure};
use super::withdrawal::{Watch, until_withdrawn};
use access::{Identity, Permission, Secret};
use axum::body::HttpBody as _;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;
use engine::Container;
use model::container::ContainerId;

/// The session's cookie. Not `__Host-`, which needs HTTPS.
pub(super) const COOKIE_NAME: &str = "gantry_session";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Session cookies of one request that are looked up.
const MAX_COOKIES: usize = 4;
/// A request body longer than this ends when the caller's access is withdrawn.
const LONG_UPLOAD_BYTES: u64 = 1 << 20;

/// Whoever stands behind a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) identity: Identity,
    /// The session's secret, where it was one.
    pub(super) session: Option<Secret>,
}

impl Caller {
    pub(super) fn require(&self, permission: Permission) -> Answer<()> {
        if self.identity.may(permission) {
            return Ok(());
        }
        Err(self.lacks("this", permission))
    }

    /// Asks for the right to work with a container, by its stored specification: start it,
    /// change it, run commands in it, read or write its files. The one place that decides.
    pub(super) fn require_for(&self, container: &Container) -> Answer<()> {
        self.require(Permission::Operate)?;
        match container.spec.host_access() {
            Some(opened) if !self.identity.may(Permission::Administer) => Err(self.lacks(
                &format!(
                    "container `{}` opens the host ({opened}): this",
                    container.spec.name.as_str()
                ),
                Permission::Administer,
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn lacks(&self, what: &str, permission: Permission) -> Failure {
        Failure::forbidden(format!(
            "{what} needs the role `{}`; `{}` has `{}`",
            permission.least_role().word(),
            self.identity.user_name,
            self.identity.role.word()
        ))
    }

    /// As events and tasks name them.
    pub(super) fn owner(&self) -> String {
        self.identity.user_name.clone()
    }
}

/// What [`Caller::require_for`] asks for.
pub(super) fn permission_for(container: &Container) -> Permission {
    match container.spec.host_access() {
        Some(_) => Permission::Administer,
        None => Permission::Operate,
    }
}

/// The container named in the path, once [`Caller::require_for`] has passed.
pub(super) struct OperableContainer(pub(super) ContainerId);

impl FromRequestParts<Front> for OperableContainer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Failure> {
        let Path(id) = Path::<String>::from_request_parts(parts, front).await?;
        let caller = parts.extensions.get::<Caller>().ok_or_else(Failure::unauthorized)?;
        caller.require(Permission::Operate)?;
        let id = front.engine.find(&id)?;
        caller.require_for(&*front.engine.inspect(&id)?)?;
        Ok(Self(id))
    }
}

/// Lets known callers through. Reading needs a viewer, all else an operator;
/// what needs more asks for it by itself.
pub(super) async fn known_callers(
    State(front): State<Front>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let needed = if is_safe(request.method()) {
        Permission::Read
    } else {
        Permission::Operate
    };
    let watch = Watch::new(&front, request.headers());
    let caller = caller(&front, request.headers()).await?;
    caller.require(needed)?;
    answer(caller, watch, request, next).await
}

/// Lets known callers through to what is their own, whatever their role.
pub(super) async fn own_account(State(front): State<Front>, request: Request, next: Next) -> Result<Response, Failure> {
    let watch = Watch::new(&front, request.headers());
    let caller = caller(&front, request.headers()).await?;
    answer(caller, watch, request, next).await
}

/// Long answers and uploads end when the caller's access is withdrawn meanwhile.
async fn answer(caller: Caller, watch: Watch, mut request: Request, next: Next) -> Result<Response, Failure> {
    let watch = watch.of_role(caller.identity.role);
    let only_reads = is_safe(request.method());
    request.extensions_mut().insert(caller);
    let length = request.body().size_hint().exact();
    if length.is_none_or(|bytes| bytes > LONG_UPLOAD_BYTES) {
        request = request.map(|body| until_withdrawn(body, watch.clone()));
    }
    let response = if only_reads {
        // It may wait for long: for the end of a container, say.
        tokio::select! {
            biased;
            response = next.run(request) => response,
            () = watch.clone().withdrawn() => return Err(Failure::unauthorized()),
        }
    } else {
        next.run(request).await
    };
    let is_long = response.body().size_hint().exact().is_none();
    Ok(if is_long {
        response.map(|body| until_withdrawn(body, watch))
    } else {
        response
    })
}

/// Refuses what another site's page makes a browser send.
pub(super) async fn same_site(request: Request, next: Next) -> Result<Response, Failure> {
    if !is_safe(request.method()) && !from_own_page(request.headers()) {
        return Err(other_site());
    }
    Ok(next.run(request).await)
}

pub(super) fn other_site() -> Failure {
    Failure::forbidden("the request comes from a page of another site")
        .hint("Open the panel under the address it is asked at; behind a proxy, pass the Host header on unchanged.")
}

/// Programs send neither header and carry no cookie that a page could misuse;
/// a browser sends at least one with everything that changes something and with
/// every WebSocket, and no page can change them.
pub(super) fn from_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(origin) = text(&ORIGIN) {
        let host = text(&HOST).unwrap_or_default();
        return is_same_host(origin, host);
    }
    matches!(text(&FETCH_SITE), None | Some("same-origin" | "none"))
}

/// Whether a page of `origin` was asked for under `host`. Browsers leave the default port
/// out of `Origin`, and some proxies write it into `Host`.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    match (host_and_port(authority), host_and_port(host)) {
        (Some((asked, asked_port)), Some((host, port))) => {
            asked.eq_ignore_ascii_case(host) && asked_port.unwrap_or(default_port) == port.unwrap_or(default_port)
        }
        _ => false,
    }
}

/// The name or address, an IPv6 address in its brackets, and the port where there is one.
/// RFC 9110, section 7.2
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (&text[..address.len() + 2], port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
            if !text[..end].bytes().all(is_letter) {
                return None;
            }
            text.split_at(end)
        }
    };
    match port.strip_prefix(':') {
        // `h:` is allowed, and means the default port.
        Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        None if port.is_empty() => Some((host, None)),
        _ => None,
    }
    .filter(|(host, _)| !host.is_empty())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

pub(super) async fn caller(front: &Front, headers: &HeaderMap) -> Answer<Caller> {
    let now = crate::now();
    if let Some(value) = headers.get(AUTHORIZATION) {
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| Secret::presented(token.trim()));
        let identity = match token {
            Some(token) => front.access.by_token(&token, now).await?,
            None => None,
        };
        return identity
            .map(|identity| Caller {
                identity,
                session: None,
            })
            .ok_or_else(Failure::unauthorized);
    }
    let mut found: Option<Caller> = None;
    for secret in session_secrets(headers) {
        let Some(identity) = front.access.by_session(&secret, now).await? else {
            // Another site of the same domain can add cookies, but none that is a session.
            continue;
        };
        match &found {
            // Unless it has one of its own: then nobody can tell which was meant.
            Some(other) if other.identity.user_id != identity.user_id => return Err(Failure::unauthorized()),
            Some(_) => {}
            None => {
                found = Some(Caller {
                    identity,
                    session: Some(secret),
                });
            }
        }
    }
    found.ok_or_else(Failure::unauthorized)
}

/// Every session cookie, each value once.
fn session_secrets(headers: &HeaderMap) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(Secret::presented);
    for secret in values {
        if secrets.len() < MAX_COOKIES && !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header")))
            .collect()
    }

    #[test]
    fn another_sites_page_is_told_from_our_own() {
        let own = [("host", "box:8420"), ("origin", "http://box:8420")];
        assert!(from_own_page(&headers(&own)));
        for origin in ["http://evil", "http://box", "null", "", "https://box:8420.evil"] {
            let foreign = HeaderMap::from_iter([
                (HOST, "box:8420".parse().expect("a header")),
                (ORIGIN, origin.parse().expect("a header")),
            ]);
            assert!(!from_own_page(&foreign), "{origin}");
        }
        assert!(!from_own_page(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(!from_own_page(&headers(&[("sec-fetch-site", "same-site")])));
    }

    #[test]
    fn the_default_port_of_the_scheme_may_be_left_out_on_either_side() {
        for (origin, host, same) in [
            ("https://h", "h:443", true),
            ("https://h:443", "h", true),
            ("http://h", "h:80", true),
            ("http://h", "h:", true),
            ("https://H.example", "h.example:443", true),
            ("https://[::1]", "[::1]:443", true),
            ("https://h:8443", "h:8443", true),
            ("https://h", "h:80", false),
            ("http://h", "h:443", false),
            ("https://h:8443", "h", false),
            ("https://h", "h:8443", false),
            ("https://h", "evil@h", false),
            ("https://evil@h", "h", false),
            ("https://h/", "h", false),
            ("ftp://h", "h", false),
            ("https://", "", false),
            ("https://h", "h:443x", false),
        ] {
            assert_eq!(is_same_host(origin, host), same, "{origin} {host}");
        }
    }

    #[test]
    fn a_program_needs_no_origin() {
        assert!(from_own_page(&headers(&[("host", "box:8420")])));
    }

    #[test]
    fn the_sessions_cookie_is_found_among_others() {
        let found = session_secrets(&headers(&[(
            "cookie",
            "a=1; gantry_session=abc; b=2; gantry_session=def; gantry_session=abc",
        )]));
        assert_eq!(found.iter().map(Secret::reveal).collect::<Vec<_>>(), ["abc", "def"]);
        assert!(session_secrets(&headers(&[("cookie", "xgantry_session=abc")])).is_empty());
        let many: Vec<String> = (0..99).map(|n| format!("gantry_session={n}")).collect();
        let many = many.join("; ");
        let many = HeaderMap::from_iter([(COOKIE, many.parse().expect("a header"))]);
        assert_eq!(session_secrets(&many).len(), MAX_COOKIES);
    }
}
