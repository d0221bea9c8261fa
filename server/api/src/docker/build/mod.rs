//! `POST /build`: the older builder's form, a tar as body and JSON lines as answer.
//! What newer clients speak through a session of their own is refused by name.

mod prune;
mod read;
mod show;

pub(super) use prune::{entries, prune};

use super::problem::Failure;
use super::query::Query;
use super::stream;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use engine::{BuildState, Engine, TaskId};

pub(super) async fn build(State(engine): State<Engine>, query: Query, request: Request) -> Result<Response, Failure> {
    let new = read::new_build(&query, request.headers())?;
    let quiet = query.flag("q");
    let names: Vec<String> = new.tags.iter().map(model::image::Reference::short).collect();
    let context = super::image::reader(request.into_body());
    let id = engine.build(new, Some(context)).await?;
    // Who goes away ends the build, as with `dockerd`.
    let guard = CancelOnDrop {
        engine: engine.clone(),
        id: id.clone(),
    };
    let mut watch = engine.watch_build(&id).await?;
    let begun = watch
        .wait_for(|build| !build.steps.is_empty() || build.state != BuildState::Running)
        .await;
    let failed = begun
        .ok()
        .and_then(|build| build.error.clone().filter(|_| build.steps.is_empty()));
    if let Some(message) = failed {
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    }
    let body = stream::body(move |sender| async move {
        let told = show::send(&engine, &id, quiet, &names, &sender).await;
        drop(guard);
        told
    });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

struct CancelOnDrop {
    engine: Engine,
    id: TaskId,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // What is over stays as it is.
        let _ = self.engine.cancel_task(&self.id);
    }
}
