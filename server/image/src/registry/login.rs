//! Whether a registry takes a login.

use super::client::{Ask, Registry, Wish};
use super::token::{basic, challenge};
use super::{Login, Reach};
use crate::registry::auth::Challenge;
use crate::{ImageError, Store};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};

/// What a registry says to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Stands for the password from now on, where the registry gives such.
    pub identity: Option<Login>,
}

impl Store {
    /// Signs in to the registry `host`, for nothing but to see whether it can be done.
    ///
    /// # Errors
    /// [`ImageError::Unauthorized`] when it is refused.
    pub async fn sign_in(&self, host: &str, reach: Reach) -> Result<Welcome, ImageError> {
        let host = match host {
            model::image::reference::DOCKER_HUB => "registry-1.docker.io",
            other => other,
        };
        let registry = Registry::at_host(&self.clients, host, "", reach, &Wish::Login)?;
        registry.sign_in().await
    }
}

impl Registry {
    async fn sign_in(&self) -> Result<Welcome, ImageError> {
        let ask = Ask::new(Method::GET, self.url("")?);
        let client = self.client_for(&ask.url).await?;
        let plain = self.with_patience(|| Some(client.get(ask.url.clone()))).await?;
        if plain.status() != StatusCode::UNAUTHORIZED {
            return self.judge(plain).await.map(|_| Welcome { identity: None });
        }
        match challenge(&plain) {
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(&realm, service.as_deref(), true).await?;
                let identity = token.refresh_token.filter(|token| !token.is_empty());
                Ok(Welcome {
                    identity: identity.map(Login::Identity),
                })
            }
            Some(Challenge::Basic) => {
                let Some(authorization) = self.login().and_then(basic) else {
                    return Err(self.unauthorized());
                };
                let ask = ask.header(AUTHORIZATION, authorization);
                let client = self.client_for(&ask.url).await?;
                let answer = self
                    .with_patience(|| {
                        let (name, value) = ask.headers.first()?;
                        Some(client.get(ask.url.clone()).header(name, value))
                    })
                    .await?;
                self.judge(answer).await.map(|_| Welcome { identity: None })
            }
            None => Err(self.unauthorized()),
        }
    }
}
