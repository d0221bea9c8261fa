//! `POST /auth`, and the login that comes with a request.

use crate::docker::problem::Failure;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use engine::{Engine, Kind, RegistryLogin};
use serde::Deserialize;
use serde_json::{Value, json};

const BODY_LIMIT_BYTES: usize = 256 << 10;

/// Tries a login. Nothing is kept: clients send it with each request.
pub(in crate::docker) async fn auth(State(engine): State<Engine>, request: Request) -> Result<Json<Value>, Failure> {
    let body = axum::body::to_bytes(request.into_body(), BODY_LIMIT_BYTES).await;
    let body = body.map_err(|_| Failure::invalid("the login is too long, or broke off"))?;
    let auth: Auth =
        serde_json::from_slice(&body).map_err(|_| Failure::invalid("the body is not the JSON of a login"))?;
    let address = match auth.serveraddress.as_str() {
        "" => "docker.io",
        address => address,
    };
    let login = auth
        .login()
        .ok_or_else(|| Failure::invalid("a username and a password are needed"))?;
    match engine.sign_in(address, login).await {
        Ok(token) => Ok(Json(json!({
            "Status": "Login Succeeded",
            "IdentityToken": token.unwrap_or_default(),
        }))),
        Err(error) if error.kind() == Kind::Unauthorized => {
            Err(Failure::new(StatusCode::UNAUTHORIZED, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// As `X-Registry-Auth` and `POST /auth` have it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    username: String,
    password: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

impl Auth {
    fn login(&self) -> Option<RegistryLogin> {
        if !self.registrytoken.is_empty() {
            return Some(RegistryLogin::Token(self.registrytoken.clone()));
        }
        if !self.identitytoken.is_empty() {
            return Some(RegistryLogin::Identity(self.identitytoken.clone()));
        }
        (!self.username.is_empty()).then(|| RegistryLogin::Password {
            username: self.username.clone(),
            password: self.password.clone(),
        })
    }
}

/// The login of a request, from its header.
pub(super) fn login(headers: &HeaderMap) -> Result<Option<RegistryLogin>, Failure> {
    let Some(text) = headers.get("x-registry-auth").and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let text = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .map_err(|_| Failure::invalid("X-Registry-Auth is not base64"))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let auth: Auth =
        serde_json::from_slice(&bytes).map_err(|_| Failure::invalid("X-Registry-Auth is not the JSON of a login"))?;
    Ok(auth.login())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(json: &str) -> Result<Option<RegistryLogin>, Failure> {
        let text = base64::engine::general_purpose::URL_SAFE.encode(json);
        let mut headers = HeaderMap::new();
        headers.insert("x-registry-auth", HeaderValue::from_str(&text).expect("text"));
        login(&headers)
    }

    #[test]
    fn a_login_is_read_from_its_header() {
        let password = RegistryLogin::Password {
            username: "ada".to_owned(),
            password: "x?>y".to_owned(),
        };
        let found = read(r#"{"username":"ada","password":"x?>y","serveraddress":"r"}"#).expect("valid");
        assert_eq!(found, Some(password));
        let token = read(r#"{"username":"ada","identitytoken":"t"}"#).expect("valid");
        assert_eq!(token, Some(RegistryLogin::Identity("t".to_owned())));
        assert_eq!(read("{}").expect("valid"), None);
        assert!(read("[").is_err());
    }
}
