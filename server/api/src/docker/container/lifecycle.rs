//! Starting, stopping and what lies between. A request for what already is
//! answers 304, where `dockerd` has that.

use super::read;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use engine::Engine;
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{ContainerId, ContainerName, State as ContainerState, StoppedBy, Verdict};

type Answer = Result<StatusCode, Failure>;

pub(in crate::docker) async fn start(State(engine): State<Engine>, Path(name): Path<String>, query: Query) -> Answer {
    if query.get("checkpoint").is_some() {
        return Err(Failure::unsupported("checkpoint"));
    }
    let id = engine.find(&name)?;
    let container = engine.inspect(&id)?;
    match container.state.on_start() {
        Verdict::AlreadySo => return Ok(StatusCode::NOT_MODIFIED),
        Verdict::Refuse(_) => {
            return Err(Failure::conflict(
                "cannot start a paused container, try unpause instead",
            ));
        }
        Verdict::Go => {}
    }
    engine.start(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) async fn stop(State(engine): State<Engine>, Path(name): Path<String>, query: Query) -> Answer {
    let id = engine.find(&name)?;
    let (timeout, signal) = how_to_stop(&query)?;
    let container = engine.inspect(&id)?;
    if container.state.on_stop() == Verdict::AlreadySo && container.restart_at.is_none() {
        return Ok(StatusCode::NOT_MODIFIED);
    }
    engine.stop(&id, timeout, signal, StoppedBy::DockerClient).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) async fn restart(State(engine): State<Engine>, Path(name): Path<String>, query: Query) -> Answer {
    let id = engine.find(&name)?;
    let (timeout, signal) = how_to_stop(&query)?;
    engine.restart(&id, timeout, signal, StoppedBy::DockerClient).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn how_to_stop(query: &Query) -> Result<(Option<StopTimeout>, Option<Signal>), Failure> {
    let timeout = query.number("t")?.map(read::read_stop_timeout);
    let signal = query.get("signal").map(read::parse_signal).transpose()?;
    Ok((timeout, signal))
}

pub(in crate::docker) async fn kill(State(engine): State<Engine>, Path(name): Path<String>, query: Query) -> Answer {
    let signal = query
        .get("signal")
        .map(read::parse_signal)
        .transpose()?
        .unwrap_or(Signal::KILL);
    let id = engine.find(&name)?;
    let container = engine.inspect(&id)?;
    // A restart that waits is cancelled.
    if container.restart_at.is_none() && container.state.on_kill() != Verdict::Go {
        return Err(Failure::conflict(format!(
            "cannot kill container: {name}: container {id} is not running"
        )));
    }
    engine.kill(&id, signal, StoppedBy::DockerClient).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) async fn pause(State(engine): State<Engine>, Path(name): Path<String>) -> Answer {
    let id = engine.find(&name)?;
    match &engine.inspect(&id)?.state {
        ContainerState::Paused { .. } => {
            return Err(Failure::conflict(format!("container {id} is already paused")));
        }
        state if state.on_pause() != Verdict::Go => return Err(not_running(&id)),
        _ => {}
    }
    engine.pause(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) async fn unpause(State(engine): State<Engine>, Path(name): Path<String>) -> Answer {
    let id = engine.find(&name)?;
    if engine.inspect(&id)?.state.on_unpause() != Verdict::Go {
        return Err(Failure::conflict(format!("Container {id} is not paused")));
    }
    engine.unpause(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) async fn rename(State(engine): State<Engine>, Path(name): Path<String>, query: Query) -> Answer {
    let id = engine.find(&name)?;
    let wanted = query
        .get("name")
        .ok_or_else(|| Failure::invalid("Neither old nor new names may be empty"))?;
    let new = ContainerName::parse(wanted).map_err(|_| {
        Failure::invalid(format!(
            "Invalid container name ({wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        ))
    })?;
    if engine.inspect(&id)?.spec.name == new {
        return Err(Failure::invalid(
            "Renaming a container with the same name as its current name",
        ));
    }
    engine
        .rename(&id, new.clone())
        .await
        .map_err(|error| super::create::name_taken(&engine, new.as_str(), error))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::docker) fn not_running(id: &ContainerId) -> Failure {
    Failure::conflict(format!("container {id} is not running"))
}
