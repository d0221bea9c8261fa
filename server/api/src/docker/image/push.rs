//! `POST /images/{name}/push`

use super::login::login;
use super::{progress, tag};
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use engine::{Engine, Image};
use model::image::Reference;
use serde::Deserialize;
use serde_json::json;

/// Pushes one tag, or without one all that the repository has here.
pub(super) async fn push(engine: Engine, name: &str, query: &Query, headers: &HeaderMap) -> Result<Response, Failure> {
    let login = login(headers)?;
    let wanted = query.get("tag").filter(|tag| !tag.is_empty());
    let reference = tag::reference(name, wanted)?;
    let references = match wanted {
        Some(_) => vec![reference],
        None => tags_of(&engine, &reference).await?,
    };
    // What can be refused at once is refused by the status.
    let platform = query.get("platform").filter(|text| !text.is_empty());
    let platform = platform.map(Platform::read).transpose()?;
    for reference in &references {
        let image = engine
            .image(&reference.to_string())
            .await
            .map_err(|_| missing(reference))?;
        if let Some(platform) = &platform
            && !platform.is_of(&image)
        {
            return Err(Failure::not_found(format!(
                "image with reference {} was found but does not provide the specified platform ({}/{})",
                reference.short(),
                platform.os,
                platform.architecture
            )));
        }
    }
    let body: Body = stream::body(move |sender| async move {
        for reference in references {
            let repository = reference.short_name();
            let status = format!("The push refers to repository [{repository}]");
            sender.send_json(&json!({ "status": status })).await?;
            let text = reference.to_string();
            let begun = engine
                .push(
                    &text,
                    reference.clone(),
                    login.clone(),
                    false,
                    Some(crate::docker::owner()),
                )
                .await;
            match begun.and_then(|task| engine.watch_task(&task)) {
                Ok(watch) => progress::send_push(&reference, watch, &sender).await?,
                Err(error) => return sender.send_json(&progress::error_line(&error.into())).await,
            }
        }
        Ok(())
    });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// What `--platform` asks for: an image is here for one platform only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

impl Platform {
    fn read(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|error| Failure::invalid(format!("failed to parse platform: {error}")))
    }

    fn is_of(&self, image: &Image) -> bool {
        self.os == image.config.os && self.architecture == image.config.architecture
    }
}

async fn tags_of(engine: &Engine, of: &Reference) -> Result<Vec<Reference>, Failure> {
    let images = engine.images().await?;
    let same = |tag: &&Reference| tag.registry() == of.registry() && tag.repository() == of.repository();
    let tags: Vec<Reference> = images
        .items
        .iter()
        .flat_map(|image| &image.tags)
        .filter(same)
        .cloned()
        .collect();
    if tags.is_empty() { Err(missing(of)) } else { Ok(tags) }
}

fn missing(reference: &Reference) -> Failure {
    let message = format!("An image does not exist locally with the tag: {}", reference.short());
    Failure::new(StatusCode::NOT_FOUND, message)
}
