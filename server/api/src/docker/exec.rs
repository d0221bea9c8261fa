//! Execs: further processes in a running container.

use super::container::{attach, lifecycle};
use super::hijack::{self, Ended, Input};
use super::problem::{Failure, words};
use super::query::{self, Query};
use super::{container::read_text, frame};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bollard_stubs::models::{ExecConfig, ExecStartConfig};
use engine::{Engine, EngineError, Exec, ExecId, ExecSpec, ExecState, LogStream};
use hyper::upgrade::OnUpgrade;
use model::container::State as ContainerState;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// The exit of a process whose output ended is known shortly after.
const CODE_WITHIN: Duration = Duration::from_secs(2);

/// `POST /containers/{id}/exec`
pub(super) async fn create(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let ExecConfig {
        attach_stdin,
        attach_stdout,
        attach_stderr,
        // Told again when it starts.
        console_size: _,
        detach_keys,
        tty,
        env,
        cmd,
        privileged,
        user,
        working_dir,
    } = query::json(&body)?;
    let id = engine.find(&name)?;
    match &engine.inspect(&id)?.state {
        ContainerState::Running { .. } => {}
        ContainerState::Paused { .. } => {
            return Err(Failure::conflict(format!(
                "container {id} is paused, unpause the container before exec"
            )));
        }
        _ => return Err(lifecycle::not_running(&id)),
    }
    let command = cmd.unwrap_or_default();
    if command.is_empty() {
        return Err(Failure::invalid("No exec command specified"));
    }
    let spec = ExecSpec {
        command,
        env: env.unwrap_or_default(),
        working_dir: read_text(working_dir),
        user: read_text(user),
        terminal: tty.unwrap_or(false),
        stdin: attach_stdin.unwrap_or(false),
        stdout: attach_stdout.unwrap_or(false),
        stderr: attach_stderr.unwrap_or(false),
        privileged: privileged.unwrap_or(false),
        detach_keys: read_text(detach_keys),
    };
    hijack::keys_for(spec.terminal, spec.detach_keys.as_deref())?;
    let exec = engine.exec_create(&id, spec).await?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": exec.as_str() }))))
}

/// `POST /exec/{id}/start`: detached, or joined like a container.
pub(super) async fn start(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response, Failure> {
    let upgrade = hijack::asked(&mut request);
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|error| Failure::invalid(error.to_string()))?;
    let ExecStartConfig {
        detach,
        tty: _,
        console_size,
    } = query::json(&body)?;
    let id = find(&name)?;
    let exec = engine.exec_inspect(&id)?;
    let size = console_size.and_then(|size| match size[..] {
        [rows, cols] if rows > 0 && cols > 0 => Some((u16::try_from(rows).ok()?, u16::try_from(cols).ok()?)),
        _ => None,
    });
    if detach.unwrap_or(false) {
        engine.exec_start(&id, true, size).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let terminal = exec.spec.terminal;
    let input = Input {
        wanted: exec.spec.stdin,
        closes: !terminal,
        detach_keys: hijack::keys_for(terminal, exec.spec.detach_keys.as_deref())?,
    };
    if upgrade.is_none() && input.wanted {
        return Err(hijack::must_upgrade());
    }
    let attached = match engine.exec_start(&id, false, size).await {
        Ok(attached) => attached,
        // Clients read the reason from the stream, and then ask for the exit code.
        Err(error @ EngineError::ExecFailed { .. }) => return Ok(failed(upgrade, terminal, &error)),
        Err(error) => return Err(error.into()),
    };
    let Some(upgrade) = upgrade else {
        return Ok(match attached {
            Some(attached) => hijack::plain(attached, terminal, code_is_known(engine, id)),
            None => StatusCode::OK.into_response(),
        });
    };
    Ok(hijack::take_over(upgrade, terminal, async move |mut client| {
        if let Some(attached) = attached
            && hijack::join(&mut client, attached, input).await? == Ended::ByOutput
        {
            code_is_known(engine, id).await;
        }
        hijack::end(client).await
    }))
}

/// The output of a command that could not be run.
fn failed(upgrade: Option<OnUpgrade>, terminal: bool, error: &EngineError) -> Response {
    let message = format!("{}\r\n", words(error));
    let mut output = Vec::new();
    let stream = (!terminal).then_some(LogStream::Stdout);
    frame::write(&mut output, stream, &[message.as_bytes()]);
    match upgrade {
        Some(upgrade) => hijack::take_over(upgrade, terminal, async move |mut client| {
            client.write_all(&output).await?;
            hijack::end(client).await
        }),
        None => ([(CONTENT_TYPE, hijack::content_type(terminal))], output).into_response(),
    }
}

/// Clients ask for the exit code as soon as the stream ends.
async fn code_is_known(engine: Engine, id: ExecId) {
    let _ = tokio::time::timeout(CODE_WITHIN, engine.exec_wait(&id)).await;
}

/// `POST /exec/{id}/resize`
pub(super) async fn resize(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, Failure> {
    let (rows, cols) = attach::size(&query)?;
    engine.exec_resize(&find(&name)?, rows, cols).await?;
    Ok(StatusCode::OK)
}

/// `GET /exec/{id}/json`
pub(super) async fn inspect(State(engine): State<Engine>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(show(&engine.exec_inspect(&find(&name)?)?)))
}

fn find(name: &str) -> Result<ExecId, Failure> {
    ExecId::parse(name).ok_or_else(|| Failure::not_found(format!("No such exec instance: {name}")))
}

fn show(exec: &Exec) -> Value {
    let (running, code, pid) = match &exec.state {
        ExecState::Created | ExecState::Starting => (false, Value::Null, 0),
        ExecState::Running { pid, .. } => (true, Value::Null, *pid),
        ExecState::Exited { status, .. } => (false, status.code().into(), 0),
        ExecState::Failed { code, .. } => (false, (*code).into(), 0),
    };
    let spec = &exec.spec;
    json!({
        "ID": exec.id.as_str(),
        "Running": running,
        "ExitCode": code,
        "ProcessConfig": {
            "tty": spec.terminal,
            "entrypoint": spec.command.first().map_or("", String::as_str),
            "arguments": spec.command.get(1..).unwrap_or_default(),
            "privileged": spec.privileged,
            "user": spec.user.as_deref().unwrap_or_default(),
        },
        "OpenStdin": spec.stdin,
        "OpenStderr": spec.stderr,
        "OpenStdout": spec.stdout,
        "CanRemove": false,
        "ContainerID": exec.container.as_str(),
        "DetachKeys": "",
        "Pid": pid,
    })
}
