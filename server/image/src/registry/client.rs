use super::auth::{self, Challenge};
use super::{Login, safety};
use crate::ImageError;
use model::image::{Digest, Reference};
use reqwest::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, redirect};
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Without a byte for this long, the connection is dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("gantry/", env!("CARGO_PKG_VERSION"));
/// Docker Hub by the address it is served from.
const HUB: &str = "registry-1.docker.io";

/// One registry, or a mirror of one, as one pull sees it.
#[derive(Debug)]
pub(crate) struct Registry {
    client: Client,
    /// `https://host` without a slash at the end.
    base: String,
    host: String,
    repository: String,
    login: Option<Login>,
    /// What got us in, for the next request.
    authorization: Mutex<Option<String>>,
}

/// A document and the media type it came with.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    pub(crate) media_type: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The client all registries share: connections are kept.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    // Refused when the program has chosen one already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .redirect(redirect::Policy::custom(follow))
        .build()
}

/// Registries send to where their blobs lie. Never from https to http, and never
/// from outside to the inside. Credentials are left off on another host (reqwest).
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let Some(from) = attempt.previous().last() else {
        return attempt.stop();
    };
    let (from_host, to_host) = (from.host_str().unwrap_or(""), attempt.url().host_str().unwrap_or(""));
    let downgrade = from.scheme() == "https" && attempt.url().scheme() != "https";
    let inwards = safety::is_inside(to_host) && !safety::is_inside(from_host);
    if downgrade || inwards {
        let to = attempt.url().to_string();
        return attempt.error(UnsafeRedirect(to));
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error(UnsafeRedirect("one place after the other, without end".to_owned()));
    }
    attempt.follow()
}

#[derive(Debug, thiserror::Error)]
#[error("redirected to {0}")]
struct UnsafeRedirect(String);

impl Registry {
    pub(crate) fn of(client: &Client, reference: &Reference, login: Option<Login>) -> Self {
        let host = match reference.registry() {
            model::image::reference::DOCKER_HUB => HUB,
            other => other,
        };
        let scheme = if safety::is_loopback(host) { "http" } else { "https" };
        Self::at(client, format!("{scheme}://{host}"), host.to_owned(), reference, login)
    }

    /// A mirror of Docker Hub: `https://mirror.example` or, on this host, `http://…`.
    pub(crate) fn mirror(client: &Client, url: &str, reference: &Reference) -> Option<Self> {
        let base = url.trim_end_matches('/');
        let (scheme, rest) = base.split_once("://")?;
        let host = rest.split('/').next()?.to_owned();
        let allowed = scheme == "https" || (scheme == "http" && safety::is_loopback(&host));
        allowed.then(|| Self::at(client, base.to_owned(), host, reference, None))
    }

    fn at(client: &Client, base: String, host: String, reference: &Reference, login: Option<Login>) -> Self {
        Self {
            client: client.clone(),
            base,
            host,
            repository: reference.repository().to_owned(),
            login,
            authorization: Mutex::new(None),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// A manifest or index by tag or digest.
    pub(crate) async fn manifest(&self, name: &str, accept: &str, limit: u64) -> Result<Fetched, ImageError> {
        let response = self.get(&format!("manifests/{name}"), Some(accept), None).await?;
        let media_type = header(response.headers(), CONTENT_TYPE.as_str())
            .map(|text| text.split(';').next().unwrap_or("").trim().to_owned());
        let body = self.collect(response, "the manifest", limit).await?;
        Ok(Fetched { body, media_type })
    }

    /// A small blob, whole.
    pub(crate) async fn document(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ImageError> {
        let response = self.get(&format!("blobs/{digest}"), None, None).await?;
        self.collect(response, "the image's configuration", limit).await
    }

    /// The bytes of a blob from `offset` on, and where they really begin: there, or
    /// at 0. RFC 9110, "Range Requests"
    pub(crate) async fn blob(&self, digest: &Digest, offset: u64) -> Result<(Response, u64), ImageError> {
        let range = (offset > 0).then(|| format!("bytes={offset}-"));
        let response = self.get(&format!("blobs/{digest}"), None, range).await?;
        let continues = response.status() == StatusCode::PARTIAL_CONTENT
            && header(response.headers(), CONTENT_RANGE.as_str())
                .is_some_and(|range| range.starts_with(&format!("bytes {offset}-")));
        if response.status() == StatusCode::PARTIAL_CONTENT && !continues {
            return Err(ImageError::Answer {
                registry: self.host.clone(),
                status: 206,
                path: format!("blobs/{digest}"),
            });
        }
        Ok((response, if continues { offset } else { 0 }))
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            if let Some(UnsafeRedirect(to)) = next.downcast_ref() {
                return ImageError::Redirect {
                    registry: self.host.clone(),
                    to: to.clone(),
                };
            }
            reason = next.to_string();
            cause = next.source();
        }
        ImageError::Unreachable {
            registry: self.host.clone(),
            reason,
        }
    }

    async fn collect(&self, mut response: Response, what: &'static str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(ImageError::TooLarge {
                    what,
                    limit_bytes: limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn get(&self, path: &str, accept: Option<&str>, range: Option<String>) -> Result<Response, ImageError> {
        let url = format!("{}/v2/{}/{path}", self.base, self.repository);
        let send = |authorization: Option<String>| {
            let mut request = self.client.get(&url);
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            if let Some(range) = &range {
                request = request.header(RANGE, range);
            }
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            request.send()
        };
        let known = self.authorization().clone();
        let response = send(known).await.map_err(|error| self.unreachable(&error))?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.judge(response, path);
        }
        let Some(authorization) = self.authorize(&response).await? else {
            return Err(self.unauthorized());
        };
        *self.authorization() = Some(authorization.clone());
        let response = send(Some(authorization))
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.judge(response, path)
    }

    fn judge(&self, response: Response, path: &str) -> Result<Response, ImageError> {
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(ImageError::NotFound(format!("{} ({path})", self.repository))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorized()),
            StatusCode::TOO_MANY_REQUESTS => Err(ImageError::TooManyRequests(self.host.clone())),
            status => Err(ImageError::Answer {
                registry: self.host.clone(),
                status: status.as_u16(),
                path: path.to_owned(),
            }),
        }
    }

    fn unauthorized(&self) -> ImageError {
        ImageError::Unauthorized {
            registry: self.host.clone(),
            repository: self.repository.clone(),
        }
    }

    /// Answers a challenge: the `Authorization` header, or none that we could give.
    async fn authorize(&self, response: &Response) -> Result<Option<String>, ImageError> {
        let challenge = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(auth::parse);
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.login.as_ref().map(basic)),
            Some(Challenge::Bearer { realm, service }) => self.token(&realm, service.as_deref()).await.map(Some),
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<String, ImageError> {
        let unsafe_realm = || ImageError::Redirect {
            registry: self.host.clone(),
            to: realm.to_owned(),
        };
        let mut url = reqwest::Url::parse(realm).map_err(|_| unsafe_realm())?;
        let host = url.host_str().unwrap_or("").to_owned();
        // Credentials go nowhere in the clear, and nobody outside picks an address inside.
        let plain_here = url.scheme() == "http" && safety::is_loopback(&host) && safety::is_loopback(&self.host);
        let inwards = safety::is_inside(&host) && !safety::is_inside(&self.host);
        if (url.scheme() != "https" && !plain_here) || inwards {
            return Err(unsafe_realm());
        }
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &format!("repository:{}:pull", self.repository));
        }
        let mut request = self.client.get(url);
        if let Some(login) = &self.login {
            request = request.header("authorization", basic(login));
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(self.unauthorized());
        }
        let body = self.collect(response, "the registry's token", 1 << 20).await?;
        let token: Token =
            serde_json::from_slice(&body).map_err(|error| ImageError::malformed("the registry's token", error))?;
        let token = token.token.or(token.access_token).ok_or_else(|| self.unauthorized())?;
        Ok(format!("Bearer {token}"))
    }

    fn authorization(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// RFC 7617.
fn basic(login: &Login) -> String {
    format!(
        "Basic {}",
        base64(format!("{}:{}", login.username, login.password).as_bytes())
    )
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                text.push(char::from(LETTERS[(number >> (18 - 6 * place) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_the_rfc_has_it() {
        assert_eq!(base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"abc"), "YWJj");
    }
}
