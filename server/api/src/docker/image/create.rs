//! `POST /images/create`: from a registry, or from a root file system that the
//! body is.

use super::progress;
use super::tag;
use crate::docker::container::check_platform;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use engine::{Engine, RegistryLogin};
use serde::Deserialize;
use serde_json::json;

pub(in crate::docker) async fn create(
    State(engine): State<Engine>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    if let Some(platform) = query.get("platform") {
        check_platform(platform, engine.host_info().architecture)?;
    }
    if let Some(name) = query.get("fromImage") {
        return pull(engine, name, &query, request.headers()).await;
    }
    match query.get("fromSrc") {
        Some("-") => import(engine, &query, request.into_body()).await,
        Some(_) => Err(Failure::unsupported(
            "fromSrc with an address; send the archive as the body",
        )),
        None => Err(Failure::invalid("fromImage or fromSrc is needed")),
    }
}

async fn pull(engine: Engine, name: &str, query: &Query, headers: &HeaderMap) -> Result<Response, Failure> {
    let reference = tag::reference(name, query.get("tag"))?;
    let login = login(headers)?;
    let task = engine.pull(reference.clone(), login, query.get("platform"), None)?;
    let mut watch = engine.watch_task(&task)?;
    progress::begun(&mut watch).await?;
    let body = stream::body(move |sender| async move { progress::send_pull(&reference, watch, &sender).await });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

async fn import(engine: Engine, query: &Query, body: Body) -> Result<Response, Failure> {
    let reference = query
        .get("repo")
        .map(|repository| tag::reference(repository, query.get("tag")))
        .transpose()?;
    let changes = query
        .all("changes")
        .filter(|change| !change.is_empty())
        .map(str::to_owned)
        .collect();
    let archive = super::load::reader(body);
    let message = query.get("message").map(str::to_owned);
    let task = engine.import(archive, reference, changes, message, None);
    let mut watch = engine.watch_task(&task)?;
    let images = progress::ended(&mut watch).await?;
    let mut text = String::new();
    for image in images {
        text.push_str(&json!({ "status": image.id.as_str() }).to_string());
        text.push_str("\r\n");
    }
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// The body of `X-Registry-Auth`, as far as it is used.
#[derive(Deserialize, Default)]
struct Auth {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

fn login(headers: &HeaderMap) -> Result<Option<RegistryLogin>, Failure> {
    let Some(text) = headers.get("x-registry-auth").and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let text = text.trim_end_matches('=');
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    let bytes = url_safe
        .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(text))
        .map_err(|_| Failure::invalid("X-Registry-Auth is not base64"))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let auth: Auth =
        serde_json::from_slice(&bytes).map_err(|_| Failure::invalid("X-Registry-Auth is not the JSON of a login"))?;
    if !auth.identitytoken.is_empty() || !auth.registrytoken.is_empty() {
        return Err(Failure::unsupported("X-Registry-Auth with a token"));
    }
    if auth.username.is_empty() {
        return Ok(None);
    }
    Ok(Some(RegistryLogin {
        username: auth.username,
        password: auth.password,
    }))
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
        let found = read(r#"{"username":"ada","password":"x?>y","serveraddress":"r"}"#).expect("valid");
        assert_eq!(found.expect("given").password, "x?>y");
        assert_eq!(read("{}").expect("valid"), None);
        assert!(read("[").is_err());
        assert!(read(r#"{"identitytoken":"t"}"#).is_err());
    }
}
