//! `POST /images/load`: an archive with one or more images.

use super::progress;
use crate::docker::container::check_platform;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use engine::Engine;
use futures_util::TryStreamExt as _;
use model::image::Reference;
use serde_json::json;
use std::io;
use std::pin::Pin;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

pub(in crate::docker) async fn load(
    State(engine): State<Engine>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    if let Some(platform) = query.get("platform") {
        check_platform(platform, engine.host_info().architecture)?;
    }
    let task = engine.load(reader(request.into_body()), Some(crate::docker::owner()));
    let mut watch = engine.watch_task(&task)?;
    let images = progress::ended(&mut watch).await?;
    let mut text = String::new();
    for image in images {
        let names: Vec<String> = if image.references.is_empty() {
            vec![format!("Loaded image ID: {}\n", image.id)]
        } else {
            image
                .references
                .iter()
                .map(Reference::short)
                .map(|name| format!("Loaded image: {name}\n"))
                .collect()
        };
        for name in names {
            text.push_str(&json!({ "stream": name }).to_string());
            text.push_str("\r\n");
        }
    }
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// A body as something to read from.
pub(in crate::docker) fn reader(body: Body) -> Pin<Box<dyn AsyncRead + Send>> {
    Box::pin(StreamReader::new(body.into_data_stream().map_err(io::Error::other)))
}
