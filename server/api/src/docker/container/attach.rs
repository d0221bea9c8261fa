//! `POST /containers/{id}/attach` and `…/resize`

use super::logs;
use crate::docker::hijack::{self, Input};
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use engine::{AttachOptions, Engine};
use model::container::State as ContainerState;

/// With `stream=1` joins from now on; with `logs=1` what was written before comes first.
///
/// A container that is only created may be joined: the connection is handed
/// over at once, and the streams are joined when it starts, before its command runs.
pub(in crate::docker) async fn attach(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
    mut request: Request,
) -> Result<Response, Failure> {
    let id = engine.find(&name)?;
    let container = engine.inspect(&id)?;
    if matches!(container.state, ContainerState::Paused { .. }) {
        return Err(Failure::conflict(format!(
            "container {id} is paused, unpause the container before attach"
        )));
    }
    let process = &container.spec.process;
    let terminal = process.terminal;
    let options = AttachOptions {
        stdin: query.flag("stdin") && process.stdin_open,
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
    };
    let input = Input {
        wanted: options.stdin,
        closes: process.stdin_once && !terminal,
        detach_keys: hijack::keys_for(terminal, query.get("detachKeys"))?,
    };
    let history = if query.flag("logs") {
        let wanted = logs::Wanted::everything(options.stdout, options.stderr, terminal);
        Some((engine.logs(&id)?, wanted))
    } else {
        None
    };
    // Joined before history is read: a line may come twice, but none is missed.
    let joining = if query.flag("stream") {
        Some(engine.attach(&id, options).await?)
    } else {
        None
    };
    if let Some(upgrade) = hijack::asked(&mut request) {
        return Ok(hijack::take_over(upgrade, terminal, async move |mut client| {
            if let Some((logs, wanted)) = history {
                logs::write_history(&logs, &wanted, &mut client).await?;
            }
            if let Some(joining) = joining {
                match joining.attached().await {
                    Ok(attached) => drop(hijack::join(&mut client, attached, input).await?),
                    Err(error) => tracing::debug!(%error, "a container that was waited for did not start"),
                }
            }
            hijack::end(client).await
        }));
    }
    if input.wanted {
        return Err(hijack::must_upgrade());
    }
    match (history, joining) {
        (None, Some(joining)) => Ok(hijack::plain(
            joining.attached().await?,
            terminal,
            std::future::ready(()),
        )),
        (Some((logs, wanted)), None) => {
            let body = stream::body(move |sender| async move { logs::send_history(&logs, &wanted, &sender).await });
            Ok(([(CONTENT_TYPE, hijack::content_type(terminal))], body).into_response())
        }
        _ => Err(Failure::invalid(
            "either logs or stream, unless the connection is asked for with `Upgrade: tcp`",
        )),
    }
}

pub(in crate::docker) async fn resize(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, Failure> {
    let id = engine.find(&name)?;
    let (rows, cols) = size(&query)?;
    if !engine.inspect(&id)?.is_running() {
        return Err(super::lifecycle::not_running(&id));
    }
    engine.resize(&id, rows, cols).await?;
    Ok(StatusCode::OK)
}

/// Rows and columns.
pub(in crate::docker) fn size(query: &Query) -> Result<(u16, u16), Failure> {
    let number = |name| {
        query
            .number(name)?
            .ok_or_else(|| Failure::invalid(format!("`{name}` is needed")))
    };
    Ok((number("h")?, number("w")?))
}
