//! One action on many containers.

use super::orders::read_signal;
use crate::native::body::Json as Body;
use crate::native::front::Front;
use crate::native::guard::Caller;
use crate::native::problem::{Answer, Failure};
use crate::native::task;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{BulkAction, BulkFilter, BulkTargets, RemoveOptions};
use model::Signal;
use shared::container::{Bulk, BulkAction as Action, Status};
use shared::task::Task;

const MAX_IDS: usize = 10_000;

/// Starts, stops, restarts, kills, pauses, unpauses or removes many containers as one task.
///
/// The server processes up to sixteen containers at a time and continues when the client
/// disconnects. The task has a result for each container and fails if any of them fails. A
/// cancelled task finishes the containers that are in progress.
#[utoipa::path(post, path = "/containers/bulk", tag = "containers", request_body = Bulk, responses((status = 202, body = Task)))]
pub(super) async fn bulk(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<Bulk>,
) -> Answer<(StatusCode, Json<Task>)> {
    let action = action(&asked)?;
    let mut targets = targets(asked)?;
    if let BulkTargets::Names(names) = &mut targets {
        if names.len() > MAX_IDS {
            return Err(Failure::mistake("ids", "one task takes at most 10,000 containers"));
        }
        // Names become ids once, so that rights are checked for the containers that are changed.
        for name in names {
            if let Ok(id) = front.engine.find(name) {
                *name = id.to_string();
            }
        }
    }
    if matches!(action, BulkAction::Start | BulkAction::Restart { .. }) {
        let found = front.engine.bulk_containers(&targets);
        for container in &found {
            caller.require_for(container)?;
        }
        if matches!(targets, BulkTargets::Matching(_)) {
            // Those that were judged, and no other that fits by now.
            targets = BulkTargets::Names(found.iter().map(|container| container.id.to_string()).collect());
        }
    }
    let id = front.engine.bulk(action, targets, Some(caller.owner()))?;
    Ok((StatusCode::ACCEPTED, Json(task::shown(&front.engine.task(&id)?))))
}

fn action(asked: &Bulk) -> Answer<BulkAction> {
    let timeout = asked.timeout.map(super::orders::stop_timeout).transpose()?;
    let signal = asked.signal.as_deref().map(read_signal).transpose()?;
    Ok(match asked.action {
        Action::Start => BulkAction::Start,
        Action::Stop => BulkAction::Stop { timeout, signal },
        Action::Restart => BulkAction::Restart { timeout, signal },
        Action::Kill => BulkAction::Kill(signal.unwrap_or(Signal::KILL)),
        Action::Pause => BulkAction::Pause,
        Action::Unpause => BulkAction::Unpause,
        Action::Remove => BulkAction::Remove(RemoveOptions {
            force: asked.force,
            volumes: asked.volumes,
        }),
    })
}

fn targets(asked: Bulk) -> Answer<BulkTargets> {
    match (asked.ids, asked.filter) {
        (Some(ids), None) => Ok(BulkTargets::Names(ids)),
        (None, Some(filter)) => Ok(BulkTargets::Matching(BulkFilter {
            states: filter.status.into_iter().map(word).collect(),
            name: filter.name,
            labels: filter.labels.into_iter().collect(),
        })),
        (None, None) | (Some(_), Some(_)) => Err(Failure::mistake("ids", "give either `ids` or `filter`")),
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "exited",
        Status::Failed => "failed",
        Status::Lost => "lost",
    }
}
