//! Who asks, and whether they may: a session's cookie or a token, and for
//! browsers the page they ask from.

use super::front::Front;
use super::problem::{Answer, Failure};
use access::{Identity, Permission, Secret};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, ORIGIN};
use axum::http::{HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;

/// The session's cookie. Not `__Host-`, which needs HTTPS.
pub(super) const COOKIE_NAME: &str = "gantry_session";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
        let needed = match permission {
            Permission::Read => "viewer",
            Permission::Operate => "operator",
            Permission::Administer => "admin",
        };
        Err(Failure::forbidden(format!(
            "this needs the role `{needed}`; `{}` has `{}`",
            self.identity.user_name,
            self.identity.role.word()
        )))
    }

    /// As events and tasks name them.
    pub(super) fn owner(&self) -> String {
        self.identity.user_name.clone()
    }
}

/// Lets known callers through. Reading needs a viewer, all else an operator;
/// what needs more asks for it by itself.
pub(super) async fn known_callers(
    State(front): State<Front>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let caller = caller(&front, request.headers()).await?;
    caller.require(if is_safe(request.method()) {
        Permission::Read
    } else {
        Permission::Operate
    })?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Lets known callers through to what is their own, whatever their role.
pub(super) async fn own_account(
    State(front): State<Front>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let caller = caller(&front, request.headers()).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
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
        let asked = origin.split_once("://").map_or("", |(_, host)| host);
        return !host.is_empty() && asked.eq_ignore_ascii_case(host);
    }
    matches!(text(&FETCH_SITE), None | Some("same-origin" | "none"))
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
    let secret = session_secret(headers).ok_or_else(Failure::unauthorized)?;
    let identity = front.access.by_session(&secret, now).await?;
    identity
        .map(|identity| Caller {
            identity,
            session: Some(secret),
        })
        .ok_or_else(Failure::unauthorized)
}

fn session_secret(headers: &HeaderMap) -> Option<Secret> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(Secret::presented)
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
    fn a_program_needs_no_origin() {
        assert!(from_own_page(&headers(&[("host", "box:8420")])));
    }

    #[test]
    fn the_sessions_cookie_is_found_among_others() {
        let found = session_secret(&headers(&[("cookie", "a=1; gantry_session=abc; b=2")]));
        assert_eq!(found.expect("found").reveal(), "abc");
        assert!(session_secret(&headers(&[("cookie", "xgantry_session=abc")])).is_none());
    }
}
