//! `POST /images/create`: from a registry, or from a root file system that the
//! body is.

use super::login::login;
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
use engine::{Engine, NewImport};
use serde_json::json;

pub(in crate::docker) async fn create(
    State(engine): State<Engine>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    if let Some(name) = query.get("fromImage") {
        if let Some(platform) = query.get("platform") {
            check_platform(platform, engine.host_info().architecture)?;
        }
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
    let task = engine.pull(
        reference.clone(),
        login,
        query.get("platform"),
        Some(crate::docker::owner()),
    )?;
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
    let new = NewImport {
        reference,
        changes,
        message,
        platform: query.get("platform").map(str::to_owned),
        owner: Some(crate::docker::owner()),
    };
    let task = engine.import(archive, new);
    let mut watch = engine.watch_task(&task)?;
    let images = progress::ended(&mut watch).await?;
    let mut text = String::new();
    for image in images {
        text.push_str(&json!({ "status": image.id.as_str() }).to_string());
        text.push_str("\r\n");
    }
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
