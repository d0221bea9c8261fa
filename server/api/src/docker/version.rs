//! The version in front of a path: `/v1.47/containers/json`.

use super::problem::Failure;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt as _;

/// Major and minor. What clients between these send is understood.
pub(super) const OLDEST: (u32, u32) = (1, 24);
pub(super) const NEWEST: (u32, u32) = (1, 47);

/// The oldest and the newest version that is spoken: `1.24`, `1.47`.
pub fn spoken() -> (String, String) {
    (show(OLDEST), show(NEWEST))
}

pub(super) fn show((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

/// Wraps the routes so that they never see the version.
pub(super) fn strip(routes: Router) -> Router {
    Router::new().fallback(forward).with_state(routes)
}

async fn forward(State(routes): State<Router>, mut request: Request) -> Response {
    let mut response = match without_version(request.uri()) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            match routes.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(newest) = HeaderValue::from_str(&show(NEWEST)) {
        headers.insert("api-version", newest);
    }
    headers.insert("docker-experimental", HeaderValue::from_static("false"));
    headers.insert("ostype", HeaderValue::from_static("linux"));
    headers.insert(
        "server",
        HeaderValue::from_static(concat!("Gantry/", env!("CARGO_PKG_VERSION"), " (linux)")),
    );
    response
}

fn without_version(uri: &Uri) -> Result<Uri, Failure> {
    let path = uri.path();
    let Some((version, rest)) = split(path) else {
        return Ok(uri.clone());
    };
    check(version)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path_and_query: PathAndQuery = format!("/{rest}{query}")
        .parse()
        .map_err(|_| Failure::invalid(format!("the path `{path}` cannot be read")))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).map_err(|_| Failure::invalid(format!("the path `{path}` cannot be read")))
}

/// `/v1.47/info` as 1.47 and `info`.
fn split(path: &str) -> Option<((u32, u32), &str)> {
    let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
    let (major, minor) = version.split_once('.')?;
    Some(((major.parse().ok()?, minor.parse().ok()?), rest))
}

fn check(version: (u32, u32)) -> Result<(), Failure> {
    if version > NEWEST {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            format!(
                "client version {} is too new. Maximum supported API version is {}",
                show(version),
                show(NEWEST)
            ),
        ));
    }
    if version < OLDEST {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            format!(
                "client version {} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
                show(version),
                show(OLDEST)
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_taken_off_and_the_query_stays() {
        let uri: Uri = "/v1.41/containers/json?all=1".parse().expect("valid");
        assert_eq!(
            without_version(&uri).expect("known").to_string(),
            "/containers/json?all=1"
        );
        let uri: Uri = "/volumes/v1.2".parse().expect("valid");
        assert_eq!(without_version(&uri).expect("none").to_string(), "/volumes/v1.2");
    }

    #[test]
    fn a_version_outside_the_range_is_refused() {
        for uri in ["/v1.99/info", "/v1.12/info", "/v2.0/info"] {
            let uri: Uri = uri.parse().expect("valid");
            assert!(without_version(&uri).is_err(), "{uri}");
        }
    }
}
