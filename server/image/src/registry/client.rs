use super::clients::{Clients, Inwards};
use super::pace::{self, Pace};
use super::token::challenge;
use super::upload::DIGEST_HEADER;
use super::{Login, Patience, Reach, safety};
use crate::ImageError;
use crate::manifest::DOCUMENT_LIMIT_BYTES;
use model::image::{Digest, Reference};
use model::registry::Tls;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

const MOST_REDIRECTS: usize = 5;
/// Docker Hub by the address it is served from.
const HUB: &str = "registry-1.docker.io";
/// Of what a registry says about a failure.
const REASON_LIMIT_BYTES: u64 = 16 << 10;

/// What a registry is asked to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Pull,
    /// Also to take blobs over from these repositories.
    Push(Vec<String>),
    /// Nothing but to know who we are.
    Login,
}

/// One repository of a registry, or of a mirror of it.
#[derive(Debug)]
pub(crate) struct Registry {
    clients: Clients,
    home: Client,
    reach: Reach,
    /// `https://host` and, for some mirrors, a path; without a slash at the end.
    base: Url,
    host: String,
    repository: String,
    scopes: Vec<String>,
    /// What got us in, for the next request.
    authorization: Mutex<Option<String>>,
    inside: OnceCell<bool>,
}

/// A document and the media type it came with.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    /// What the registry says of the body: distribution-spec, "Pulling manifests".
    pub(crate) digest: Option<Digest>,
    pub(crate) media_type: Option<String>,
}

/// A request that can be made more than once.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Vec<u8>>,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn request(&self, client: &Client, authorization: Option<&str>) -> RequestBuilder {
        let mut request = client.request(self.method.clone(), self.url.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        match &self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

impl Registry {
    pub(crate) fn of(clients: &Clients, reference: &Reference, reach: Reach, wish: &Wish) -> Result<Self, ImageError> {
        let host = match reference.registry() {
            model::image::reference::DOCKER_HUB => HUB,
            other => other,
        };
        Self::at_host(clients, host, reference.repository(), reach, wish)
    }

    pub(super) fn at_host(
        clients: &Clients,
        host: &str,
        repository: &str,
        reach: Reach,
        wish: &Wish,
    ) -> Result<Self, ImageError> {
        let plain = match reach.tls {
            Tls::Off => true,
            Tls::Unverified => false,
            Tls::Verified => safety::is_loopback(host) && reach.authorities.is_none(),
        };
        let scheme = if plain { "http" } else { "https" };
        Self::at(clients, &format!("{scheme}://{host}"), host, repository, reach, wish)
    }

    /// A mirror: `https://mirror.example` or, on this host, `http://…`.
    pub(crate) fn mirror(clients: &Clients, url: &str, reference: &Reference, reach: Reach) -> Option<Self> {
        let base = url.trim_end_matches('/');
        let (scheme, rest) = base.split_once("://")?;
        let host = rest.split('/').next()?.to_owned();
        let plain = safety::is_loopback(&host) || reach.tls == Tls::Off;
        let allowed = scheme == "https" || (scheme == "http" && plain);
        if !allowed {
            return None;
        }
        Self::at(clients, base, &host, reference.repository(), reach, &Wish::Pull).ok()
    }

    fn at(
        clients: &Clients,
        base: &str,
        host: &str,
        repository: &str,
        reach: Reach,
        wish: &Wish,
    ) -> Result<Self, ImageError> {
        let base = Url::parse(base).map_err(|error| ImageError::Unreachable {
            registry: host.to_owned(),
            reason: error.to_string(),
        })?;
        let scopes = match wish {
            Wish::Pull => vec![format!("repository:{repository}:pull")],
            Wish::Push(others) => {
                let own = format!("repository:{repository}:pull,push");
                let others = others.iter().map(|other| format!("repository:{other}:pull"));
                std::iter::once(own).chain(others).collect()
            }
            Wish::Login => Vec::new(),
        };
        Ok(Self {
            home: clients.home(&reach)?,
            clients: clients.clone(),
            reach,
            base,
            host: host.to_owned(),
            repository: repository.to_owned(),
            scopes,
            authorization: Mutex::new(None),
            inside: OnceCell::new(),
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.reach.login.as_ref()
    }

    pub(super) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the registry itself is reached by an address of the inside.
    pub(super) async fn is_inside(&self) -> bool {
        *self.inside.get_or_init(|| safety::leads_inside(&self.host)).await
    }

    /// Below `/v2/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, ImageError> {
        let text = format!("{}/v2/{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|error| ImageError::Unreachable {
            registry: self.host.clone(),
            reason: error.to_string(),
        })
    }

    /// Below `/v2/<repository>/`.
    pub(super) fn own_url(&self, path: &str) -> Result<Url, ImageError> {
        self.url(&format!("{}/{path}", self.repository))
    }

    /// A manifest or index by tag or digest.
    pub(crate) async fn manifest(&self, name: &str, accept: &str, limit: u64) -> Result<Fetched, ImageError> {
        let ask = Ask::new(Method::GET, self.own_url(&format!("manifests/{name}"))?).header(ACCEPT, accept);
        let response = self.ask(&ask).await?;
        let media_type = header(response.headers(), &CONTENT_TYPE)
            .map(|text| text.split(';').next().unwrap_or("").trim().to_owned());
        let digest = header(response.headers(), &DIGEST_HEADER).and_then(|text| Digest::parse(&text).ok());
        let body = self.collect(response, "the manifest", limit).await?;
        Ok(Fetched {
            body,
            digest,
            media_type,
        })
    }

    /// A document below the repository; `None` where the registry has none of the kind.
    pub(crate) async fn find_document_at(&self, path: &str, accept: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let ask = Ask::new(Method::GET, self.own_url(path)?).header(ACCEPT, accept);
        let response = self.answer(&ask).await?;
        if response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS {
            return Ok(None);
        }
        let response = self.judge(response).await?;
        self.collect(response, "a list of artifacts", DOCUMENT_LIMIT_BYTES)
            .await
            .map(Some)
    }

    /// A small blob, whole.
    pub(crate) async fn document(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ImageError> {
        let ask = Ask::new(Method::GET, self.own_url(&format!("blobs/{digest}"))?);
        let response = self.ask(&ask).await?;
        self.collect(response, "the image's configuration", limit).await
    }

    /// The bytes of a blob from `offset` on, and where they really begin: there, or
    /// at 0. RFC 9110, "Range Requests"
    pub(crate) async fn blob(&self, digest: &Digest, offset: u64) -> Result<(Response, u64), ImageError> {
        let path = format!("blobs/{digest}");
        let mut ask = Ask::new(Method::GET, self.own_url(&path)?);
        if offset > 0 {
            ask = ask.header(RANGE, format!("bytes={offset}-"));
        }
        let response = self.ask(&ask).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok((response, 0));
        }
        let from_there = header(response.headers(), &CONTENT_RANGE)
            .is_some_and(|range| range.starts_with(&format!("bytes {offset}-")));
        if from_there {
            return Ok((response, offset));
        }
        Err(ImageError::Answer {
            registry: self.host.clone(),
            status: 206,
            path,
        })
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            if let Some(Inwards(to)) = next.downcast_ref() {
                return self.refused(to);
            }
            reason = next.to_string();
            cause = next.source();
        }
        if error.is_timeout() {
            reason = format!("nothing came for {} s", self.patience().silence.as_secs_f32());
        }
        ImageError::Unreachable {
            registry: self.host.clone(),
            reason,
        }
    }

    pub(crate) fn too_slow(&self) -> ImageError {
        ImageError::TooSlow {
            registry: self.host.clone(),
            seconds: pace::window(self.patience()).as_secs_f32(),
        }
    }

    fn refused(&self, to: &str) -> ImageError {
        ImageError::Redirect {
            registry: self.host.clone(),
            to: to.to_owned(),
        }
    }

    pub(super) fn unauthorized(&self) -> ImageError {
        ImageError::Unauthorized {
            registry: self.host.clone(),
            repository: self.repository.clone(),
        }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.clients.patience
    }

    pub(super) async fn collect(
        &self,
        mut response: Response,
        what: &'static str,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, ImageError> {
        let mut body = Vec::new();
        let mut pace = Pace::new(self.patience());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if (body.len() + chunk.len()) as u64 > limit_bytes {
                return Err(ImageError::TooLarge { what, limit_bytes });
            }
            if !pace.holds(chunk.len()) {
                return Err(self.too_slow());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Asks until there is an answer, and gives it when it is a good one.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Response, ImageError> {
        let response = self.answer(ask).await?;
        self.judge(response).await
    }

    /// Asks with what got us in before, and again when that is not enough.
    pub(super) async fn answer(&self, ask: &Ask) -> Result<Response, ImageError> {
        let known = self.authorization();
        let response = self.follow(ask, known.as_deref()).await?;
        // Where we were sent may not ask who we are: its realm would be given the login.
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_home(response.url()) {
            return Ok(response);
        }
        match self.let_in(&response).await? {
            Some(authorization) => self.follow(ask, Some(&authorization)).await,
            None => Err(self.unauthorized()),
        }
    }

    /// Answers a challenge and remembers what did.
    pub(super) async fn let_in(&self, response: &Response) -> Result<Option<String>, ImageError> {
        let authorization = self.authorize(response).await?;
        if let Some(authorization) = &authorization {
            *self.remembered() = Some(authorization.clone());
        } else if challenge(response).is_none() {
            return Err(self.unauthorized());
        }
        Ok(authorization)
    }

    pub(super) fn authorization(&self) -> Option<String> {
        self.remembered().clone()
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To where it lies, step by step. Credentials stay with the registry.
    async fn follow(&self, ask: &Ask, authorization: Option<&str>) -> Result<Response, ImageError> {
        let mut ask = ask.clone();
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client_for(&ask.url).await?;
            let authorization = authorization.filter(|_| self.is_home(&ask.url));
            let response = self.with_patience(|| Some(ask.request(&client, authorization))).await?;
            let reads = ask.method == Method::GET || ask.method == Method::HEAD;
            let location = header(response.headers(), &LOCATION);
            match location {
                Some(location) if response.status().is_redirection() && reads => {
                    let to = ask.url.join(&location).map_err(|_| self.refused(&location))?;
                    self.check_step(&ask.url, &to).await?;
                    ask.url = to;
                }
                _ => return Ok(response),
            }
        }
        Err(self.refused("one place after the other, without end"))
    }

    /// Never from https to http, and never from outside to the inside.
    pub(super) async fn check_step(&self, from: &Url, to: &Url) -> Result<(), ImageError> {
        let downgrade = from.scheme() == "https" && to.scheme() != "https";
        let odd = !matches!(to.scheme(), "http" | "https");
        let inwards = safety::is_inside(to.host_str().unwrap_or("")) && !self.is_inside().await;
        if downgrade || odd || inwards {
            return Err(self.refused(to.as_str()));
        }
        Ok(())
    }

    /// Whether this is the registry itself.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    pub(super) async fn client_for(&self, url: &Url) -> Result<Client, ImageError> {
        if self.is_home(url) {
            return Ok(self.home.clone());
        }
        self.clients.elsewhere(&self.reach, !self.is_inside().await)
    }

    /// Sends until there is an answer that does not say "later".
    pub(super) async fn with_patience(
        &self,
        request: impl Fn() -> Option<RequestBuilder>,
    ) -> Result<Response, ImageError> {
        let patience = self.patience();
        let mut pause = patience.first_pause;
        let mut attempt = 1;
        loop {
            let Some(request) = request() else {
                return Err(ImageError::Broken("a request cannot be sent twice".to_owned()));
            };
            let outcome = request.send().await;
            let asked_for = match &outcome {
                Ok(response) if !is_passing(response.status()) => {
                    return outcome.map_err(|error| self.unreachable(&error));
                }
                Ok(response) => retry_after(response.headers()),
                Err(error) => match self.unreachable(error) {
                    refused @ ImageError::Redirect { .. } => return Err(refused),
                    _ => None,
                },
            };
            if attempt >= patience.attempts {
                return outcome.map_err(|error| self.unreachable(&error));
            }
            let wait = asked_for.unwrap_or(pause).min(patience.most_pause);
            tracing::debug!(registry = self.host, attempt, ?wait, "a registry is asked again");
            tokio::time::sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    pub(super) async fn judge(&self, response: Response) -> Result<Response, ImageError> {
        let path = response.url().path().to_owned();
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(ImageError::NotFound(format!("{} ({path})", self.repository))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorized()),
            StatusCode::TOO_MANY_REQUESTS => Err(ImageError::TooManyRequests(self.host.clone())),
            status => {
                let body = self
                    .collect(response, "the registry's reason", REASON_LIMIT_BYTES)
                    .await;
                tracing::debug!(
                    registry = self.host,
                    reason = %String::from_utf8_lossy(&body.unwrap_or_default()),
                    "a registry refuses"
                );
                Err(ImageError::Answer {
                    registry: self.host.clone(),
                    status: status.as_u16(),
                    path,
                })
            }
        }
    }
}

/// What may be otherwise in a moment.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// RFC 9110, "Retry-After", in seconds; a date is not waited for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header(headers, &RETRY_AFTER)?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

pub(super) fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(host: &str) -> Registry {
        let clients = Clients::new(Patience::default());
        Registry::at_host(&clients, host, "team/web", Reach::default(), &Wish::Pull).unwrap()
    }

    /// Reserved addresses, so that nobody is looked for.
    const OUTSIDE: &str = "192.0.2.1";

    #[tokio::test]
    async fn nobody_outside_sends_us_inside_or_into_the_clear() {
        let outside = registry(OUTSIDE);
        let from = Url::parse("https://192.0.2.1/v2/").unwrap();
        for to in [
            "https://127.0.0.1/x",
            "https://localhost:5000/x",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/x",
            "https://[::1]/x",
            "http://192.0.2.2/x",
            "file:///etc/passwd",
        ] {
            let step = outside.check_step(&from, &Url::parse(to).unwrap()).await;
            assert!(matches!(step, Err(ImageError::Redirect { .. })), "{to}");
        }
        let to = Url::parse("https://192.0.2.2/x").unwrap();
        assert!(outside.check_step(&from, &to).await.is_ok());
    }

    #[tokio::test]
    async fn a_registry_inside_may_send_us_inside() {
        let inside = registry("10.0.0.1:5000");
        let from = Url::parse("https://10.0.0.1:5000/v2/").unwrap();
        let to = Url::parse("https://10.0.0.2/x").unwrap();
        assert!(inside.check_step(&from, &to).await.is_ok());
    }

    #[test]
    fn only_the_registry_itself_is_home() {
        let registry = registry("192.0.2.1:5000");
        let is_home = |url: &str| registry.is_home(&Url::parse(url).unwrap());
        assert!(is_home("https://192.0.2.1:5000/v2/x"));
        for url in [
            "https://192.0.2.1/v2/",
            "http://192.0.2.1:5000/",
            "https://192.0.2.2:5000/",
        ] {
            assert!(!is_home(url), "{url}");
        }
    }

    #[test]
    fn this_hosts_own_registries_are_plain_unless_they_have_an_authority() {
        assert!(!registry("127.0.0.1:5000").is_encrypted());
        assert!(registry("192.0.2.1").is_encrypted());
    }
}
