//! What containers are told to do.

use crate::native::body::{Path, Query};
use crate::native::front::Front;
use crate::native::guard::{Caller, OperableContainer};
use crate::native::problem::{Answer, Failure};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{RemoveOptions, WaitCondition};
use model::Signal;
use model::container::StoppedBy;
use model::container::spec::StopTimeout;
use serde::Deserialize;
use shared::container::Ended;
use std::time::Duration;

const DONE: StatusCode = StatusCode::NO_CONTENT;

/// Starts the container. No effect if it is already running.
///
/// The response is sent once the command is running.
#[utoipa::path(post, path = "/containers/{id}/start", tag = "containers", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn start(State(front): State<Front>, OperableContainer(id): OperableContainer) -> Answer<StatusCode> {
    front.engine.start(&id).await?;
    Ok(DONE)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Stop {
    /// Seconds until SIGKILL; −1 waits without a limit. Default: the container's stop timeout.
    timeout: Option<i64>,
    /// Stop signal. Default: the container's stop signal.
    signal: Option<String>,
}

impl Stop {
    fn read(self) -> Answer<(Option<StopTimeout>, Option<Signal>)> {
        let timeout = self.timeout.map(stop_timeout).transpose()?;
        let signal = self.signal.as_deref().map(read_signal).transpose()?;
        Ok((timeout, signal))
    }
}

fn stopped_by(caller: &Caller) -> StoppedBy {
    StoppedBy::User(caller.owner())
}

/// In seconds; -1 is without end.
pub(super) fn stop_timeout(seconds: i64) -> Answer<StopTimeout> {
    match u64::try_from(seconds) {
        Ok(seconds) => Ok(StopTimeout::After(Duration::from_secs(seconds))),
        Err(_) if seconds == -1 => Ok(StopTimeout::Never),
        Err(_) => Err(Failure::mistake("timeout", "it is a number of seconds, or -1")),
    }
}

pub(super) fn read_signal(text: &str) -> Answer<Signal> {
    Signal::parse(text).map_err(|error| Failure::mistake("signal", error.to_string()))
}

/// Stops the container: sends the stop signal, and SIGKILL after the timeout.
#[utoipa::path(post, path = "/containers/{id}/stop", tag = "containers", params(("id" = String, Path), Stop), responses((status = 204)))]
pub(super) async fn stop(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(stop): Query<Stop>,
) -> Answer<StatusCode> {
    let (timeout, signal) = stop.read()?;
    let id = front.engine.find(&id)?;
    front.engine.stop(&id, timeout, signal, stopped_by(&caller)).await?;
    Ok(DONE)
}

/// Restarts the container.
#[utoipa::path(post, path = "/containers/{id}/restart", tag = "containers", params(("id" = String, Path), Stop), responses((status = 204)))]
pub(super) async fn restart(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    OperableContainer(id): OperableContainer,
    Query(stop): Query<Stop>,
) -> Answer<StatusCode> {
    let (timeout, signal) = stop.read()?;
    front.engine.restart(&id, timeout, signal, stopped_by(&caller)).await?;
    Ok(DONE)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Kill {
    /// Signal to send. Default: `SIGKILL`.
    signal: Option<String>,
}

/// Sends a signal to the container's init process.
#[utoipa::path(post, path = "/containers/{id}/kill", tag = "containers", params(("id" = String, Path), Kill), responses((status = 204)))]
pub(super) async fn kill(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(kill): Query<Kill>,
) -> Answer<StatusCode> {
    let signal = kill.signal.as_deref().map_or(Ok(Signal::KILL), read_signal)?;
    let id = front.engine.find(&id)?;
    front.engine.kill(&id, signal, stopped_by(&caller)).await?;
    Ok(DONE)
}

/// Pauses all processes of the container.
#[utoipa::path(post, path = "/containers/{id}/pause", tag = "containers", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn pause(State(front): State<Front>, Path(id): Path<String>) -> Answer<StatusCode> {
    front.engine.pause(&front.engine.find(&id)?).await?;
    Ok(DONE)
}

/// Resumes a paused container.
#[utoipa::path(post, path = "/containers/{id}/unpause", tag = "containers", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn unpause(State(front): State<Front>, Path(id): Path<String>) -> Answer<StatusCode> {
    front.engine.unpause(&front.engine.find(&id)?).await?;
    Ok(DONE)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Remove {
    /// Kills a running container first.
    #[serde(default)]
    force: bool,
    /// Also removes its anonymous volumes.
    #[serde(default)]
    volumes: bool,
}

/// Removes the container, its log and its writable layer.
#[utoipa::path(delete, path = "/containers/{id}", tag = "containers", params(("id" = String, Path), Remove), responses((status = 204)))]
pub(super) async fn remove(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(Remove { force, volumes }): Query<Remove>,
) -> Answer<StatusCode> {
    let options = RemoveOptions { force, volumes };
    front.engine.remove(&front.engine.find(&id)?, options).await?;
    Ok(DONE)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Wait {
    /// `not_running`, `next_exit` or `removed`. Default: `not_running`.
    until: Option<String>,
}

/// Waits until the container exits and returns its exit status.
#[utoipa::path(get, path = "/containers/{id}/wait", tag = "containers", params(("id" = String, Path), Wait), responses((status = 200, body = Ended)))]
pub(super) async fn wait(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Answer<Json<Ended>> {
    let condition = match wait.until.as_deref() {
        None | Some("not_running") => WaitCondition::NotRunning,
        Some("next_exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => {
            return Err(Failure::mistake(
                "until",
                format!("`{other}` is none of `not_running`, `next_exit`, `removed`"),
            ));
        }
    };
    let waiting = front.engine.wait(&front.engine.find(&id)?, condition)?;
    let end = tokio::select! {
        end = waiting.ended() => end,
        () = front.stop.cancelled() => return Err(engine::EngineError::Ending.into()),
    };
    Ok(Json(Ended {
        exit_code: end.code,
        oom_killed: end.oom_killed,
        error: end.error,
        at: end.at.to_string(),
    }))
}
