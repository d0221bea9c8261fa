//! `GET /images/get` and `GET /images/{name}/get`: images as an archive.

use crate::docker::container::archive::body;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use engine::{ArchiveFormat, Engine};

pub(in crate::docker) async fn several(State(engine): State<Engine>, query: Query) -> Result<Response, Failure> {
    let names: Vec<String> = query.all("names").map(str::to_owned).collect();
    save(&engine, &names).await
}

pub(super) async fn save(engine: &Engine, names: &[String]) -> Result<Response, Failure> {
    let download = engine.save_images(names, ArchiveFormat::Docker).await?;
    Ok(([(CONTENT_TYPE, "application/x-tar")], body(download)).into_response())
}
