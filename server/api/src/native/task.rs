//! Long work: what it is, and how far.

use super::body::Path;
use super::front::Front;
use super::guard::Caller;
use super::mask;
use super::problem::{Answer, Failure};
use super::{stream, words};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};
use engine::{BulkAction, Kind, LayerState as Layers, Task as Engines, TaskId, TaskKind as Kinds, TaskState as Doing};
use shared::list::List;
use shared::problem::Problem;
use shared::task::{ItemState, LayerProgress, LayerState, Progress, Task, TaskItem, TaskKind, TaskState};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(inspect))
        .routes(routes!(cancel))
        .routes(routes!(follow))
}

/// Lists running and recently finished tasks, newest first.
#[utoipa::path(get, path = "/tasks", tag = "tasks", responses((status = 200, body = List<Task>)))]
async fn list(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Answer<Json<List<Task>>> {
    let sees_values = mask::sees_values(&caller);
    let tasks = front.engine.tasks();
    let items = tasks.iter().map(|task| shown_to(task, sees_values)).collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}

/// Returns a task.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = String, Path)), responses((status = 200, body = Task)))]
async fn inspect(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Json<Task>> {
    let task = front.engine.task(&find(&id)?)?;
    Ok(Json(shown_to(&task, mask::sees_values(&caller))))
}

/// Cancels a task. No effect if it has finished.
#[utoipa::path(post, path = "/tasks/{id}/cancel", tag = "tasks", params(("id" = String, Path)), responses((status = 202)))]
async fn cancel(State(front): State<Front>, Path(id): Path<String>) -> Answer<StatusCode> {
    front.engine.cancel_task(&find(&id)?)?;
    Ok(StatusCode::ACCEPTED)
}

/// Streams the task as NDJSON after each change until it finishes.
#[utoipa::path(get, path = "/tasks/{id}/follow", tag = "tasks", params(("id" = String, Path)), responses((status = 200, body = Task, content_type = "application/x-ndjson")))]
async fn follow(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<([(HeaderName, HeaderValue); 1], axum::body::Body)> {
    let sees_values = mask::sees_values(&caller);
    let mut task = front.engine.watch_task(&find(&id)?)?;
    Ok(stream::lines(&front, move |sender| async move {
        loop {
            let now = task.borrow_and_update().clone();
            sender.objects([shown_to(&now, sees_values)]).await?;
            if now.state.is_over() || task.changed().await.is_err() {
                return Ok(());
            }
        }
    }))
}

pub(super) fn find(id: &str) -> Answer<TaskId> {
    TaskId::parse(id).ok_or_else(|| Failure::not_found("task", id))
}

/// What a viewer is told of a build that failed.
pub(super) const HIDDEN_FAILURE: &str = "the build failed; why is shown to the roles `operator` and `admin`";

/// With `sees_values` false, without what a build wrote: that may hold build arguments.
pub(super) fn shown_to(task: &Engines, sees_values: bool) -> Task {
    let mut shown = shown(task);
    if task.kind == Kinds::Build && !sees_values {
        if let Some(progress) = &mut shown.progress {
            progress.log = Vec::new();
        }
        if let Some(problem) = &mut shown.problem {
            HIDDEN_FAILURE.clone_into(&mut problem.detail);
            problem.mistakes.clear();
        }
    }
    shown
}

pub(super) fn shown(task: &Engines) -> Task {
    let (state, result, problem) = match &task.state {
        Doing::Running => (TaskState::Running, Vec::new(), None),
        Doing::Done { images } => {
            let ids = images.iter().map(|image| image.id.to_string()).collect();
            (TaskState::Done, ids, None)
        }
        Doing::Failed { kind, reason } => (TaskState::Failed, Vec::new(), Some(problem(task.kind, *kind, reason))),
        Doing::Cancelled => (TaskState::Cancelled, Vec::new(), None),
    };
    let (kind, verb) = match task.kind {
        Kinds::Pull => (TaskKind::Pull, "Pull"),
        Kinds::Load => (TaskKind::Load, "Load"),
        Kinds::Import => (TaskKind::Import, "Import"),
        Kinds::Verify => (TaskKind::Verify, "Verify"),
        Kinds::Push => (TaskKind::Push, "Push"),
        Kinds::Build => (TaskKind::Build, "Build"),
        Kinds::Template => (TaskKind::Template, "Make"),
        Kinds::Bulk(action) => (TaskKind::Bulk, verb_of(action)),
    };
    Task {
        id: task.id.to_string(),
        kind,
        title: format!("{verb} {}", task.subject),
        owner: task.owner.clone().unwrap_or_default(),
        state,
        started: task.started.to_string(),
        ended: task.ended.map(|at| at.to_string()),
        progress: Some(progress(&task.progress)),
        result,
        problem,
        items: task.items.iter().map(item).collect(),
    }
}

fn verb_of(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Start => "Start",
        BulkAction::Stop { .. } => "Stop",
        BulkAction::Restart { .. } => "Restart",
        BulkAction::Kill(_) => "Kill",
        BulkAction::Pause => "Pause",
        BulkAction::Unpause => "Unpause",
        BulkAction::Remove(_) => "Remove",
    }
}

fn item(item: &engine::TaskItem) -> TaskItem {
    let (state, problem) = match &item.state {
        engine::ItemState::Waiting => (ItemState::Waiting, None),
        engine::ItemState::Running => (ItemState::Running, None),
        engine::ItemState::Done => (ItemState::Done, None),
        engine::ItemState::Cancelled => (ItemState::Cancelled, None),
        engine::ItemState::Failed { kind, code, reason } => {
            let failure = Failure::new(super::problem::status_of(*kind), code, reason.clone());
            (ItemState::Failed, Some(*failure.problem))
        }
    };
    TaskItem {
        id: item.id.clone(),
        name: item.name.clone(),
        state,
        problem,
    }
}

/// As if the request itself had failed so.
fn problem(task: Kinds, kind: Kind, reason: &str) -> Problem {
    if let Kinds::Bulk(_) = task {
        return *Failure::new(super::problem::status_of(kind), "bulk_failed", reason).problem;
    }
    let error = engine::EngineError::Image {
        reference: String::new(),
        kind,
        reason: String::new(),
    };
    let mut problem = *Failure::from(error).problem;
    reason.clone_into(&mut problem.detail);
    problem
}

/// The failure of a task that is over and failed.
pub(super) fn failure(task: &Engines) -> Option<Failure> {
    let shown = shown(task);
    let problem = shown.problem?;
    let mut failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, &problem.code, problem.detail);
    failure.problem.hint = problem.hint;
    Some(failure)
}

fn progress(progress: &engine::Progress) -> Progress {
    Progress {
        phase: progress.phase.to_owned(),
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total,
        bytes_per_s: progress.bytes_per_s,
        log: progress.log.clone(),
        layers: progress
            .layers
            .iter()
            .map(|layer| {
                let (state, bytes_done, bytes_total) = match layer.state {
                    Layers::Waiting => (LayerState::Waiting, 0, 0),
                    Layers::Downloading { done, total } => (LayerState::Downloading, done, total),
                    Layers::Uploading { done, total } => (LayerState::Uploading, done, total),
                    Layers::Verifying => (LayerState::Verifying, 0, 0),
                    Layers::Extracting { done, total } => (LayerState::Extracting, done, total),
                    Layers::Done => (LayerState::Done, 0, 0),
                    Layers::AlreadyHere => (LayerState::AlreadyHere, 0, 0),
                };
                LayerProgress {
                    digest: layer.digest.to_string(),
                    state,
                    bytes_done,
                    bytes_total,
                    bytes_per_s: layer.bytes_per_s,
                }
            })
            .collect(),
    }
}
