//! Answers to a registry's challenge: distribution's "Token Authentication
//! Specification" and "OAuth2 Token Authentication".

use super::auth::{self, Challenge};
use super::client::Registry;
use super::{Login, safety};
use crate::ImageError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

/// As which program we ask for tokens.
const CLIENT_ID: &str = "gantry";
const TOKEN_LIMIT_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
pub(super) struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    /// Stands for the login from now on, where it was asked for.
    pub(super) refresh_token: Option<String>,
}

impl Registry {
    /// The `Authorization` header that answers a challenge, or none that we could give.
    pub(super) async fn authorize(&self, response: &Response) -> Result<Option<String>, ImageError> {
        if let Some(Login::Token(token)) = self.login() {
            return Ok(Some(format!("Bearer {token}")));
        }
        match challenge(response) {
            Some(Challenge::Basic) => Ok(self.login().and_then(basic)),
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(&realm, service.as_deref(), false).await?;
                let token = token.token.or(token.access_token).ok_or_else(|| self.unauthorized())?;
                Ok(Some(format!("Bearer {token}")))
            }
            None => Ok(None),
        }
    }

    /// `offline`: a login is to be kept, so a token that stands for it is welcome.
    pub(super) async fn token(&self, realm: &str, service: Option<&str>, offline: bool) -> Result<Granted, ImageError> {
        let url = self.check_realm(realm).await?;
        if let Some(Login::Identity(identity)) = self.login() {
            return self.exchange(url, service, identity).await;
        }
        let mut asked = url;
        {
            let mut query = asked.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for scope in self.scopes() {
                query.append_pair("scope", scope);
            }
            if offline {
                query
                    .append_pair("offline_token", "true")
                    .append_pair("client_id", CLIENT_ID);
            }
        }
        let mut request = self.client_for(&asked).await?.get(asked);
        if let Some(authorization) = self.login().and_then(basic) {
            request = request.header(AUTHORIZATION, authorization);
        }
        self.read_token(request).await
    }

    async fn exchange(&self, url: Url, service: Option<&str>, identity: &str) -> Result<Granted, ImageError> {
        // A form is written as a query is.
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", identity)
            .append_pair("client_id", CLIENT_ID)
            .append_pair("scope", &self.scopes().join(" "))
            .append_pair("service", service.unwrap_or_default());
        let form = form.query().unwrap_or_default().to_owned();
        let request = self
            .client_for(&url)
            .await?
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        self.read_token(request).await
    }

    async fn read_token(&self, request: reqwest::RequestBuilder) -> Result<Granted, ImageError> {
        let response = self.with_patience(|| request.try_clone()).await?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.unauthorized());
            }
            StatusCode::TOO_MANY_REQUESTS => return Err(ImageError::TooManyRequests(self.host().to_owned())),
            status => {
                return Err(ImageError::Answer {
                    registry: self.host().to_owned(),
                    status: status.as_u16(),
                    path: "its token".to_owned(),
                });
            }
        }
        let body = self
            .collect(response, "the registry's token", TOKEN_LIMIT_BYTES)
            .await?;
        serde_json::from_slice(&body).map_err(|error| ImageError::malformed("the registry's token", error))
    }

    /// Credentials go nowhere in the clear but to a registry that is so itself, and
    /// nobody outside picks an address inside.
    async fn check_realm(&self, realm: &str) -> Result<Url, ImageError> {
        let refused = || ImageError::Redirect {
            registry: self.host().to_owned(),
            to: realm.to_owned(),
        };
        let url = Url::parse(realm).map_err(|_| refused())?;
        let host = url.host_str().unwrap_or("");
        let is_same = safety::name_of(host) == safety::name_of(self.host());
        let both_here = safety::is_loopback(host) && safety::is_loopback(self.host());
        let plain_allowed = !self.is_encrypted() && (is_same || both_here);
        let secure = url.scheme() == "https" || (url.scheme() == "http" && plain_allowed);
        if !secure || (safety::is_inside(host) && !self.is_inside().await) {
            return Err(refused());
        }
        Ok(url)
    }
}

/// The first challenge that can be met.
pub(super) fn challenge(response: &Response) -> Option<Challenge> {
    response
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(auth::parse)
}

/// RFC 7617.
pub(super) fn basic(login: &Login) -> Option<String> {
    match login {
        Login::Password { username, password } => {
            Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
        }
        Login::Identity(_) | Login::Token(_) => None,
    }
}
