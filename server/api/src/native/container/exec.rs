//! Further processes in a container. A console channel of the socket starts them.

use crate::native::body::{Json as Body, Path};
use crate::native::front::Front;
use crate::native::problem::{Answer, Failure};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{ExecId, ExecSpec, ExecState};
use shared::exec::{Exec, ExecCreated, NewExec};

/// Makes an exec; the console channel with its id starts it.
#[utoipa::path(post, path = "/containers/{id}/execs", tag = "containers", params(("id" = String, Path)), request_body = NewExec, responses((status = 201, body = ExecCreated)))]
pub(super) async fn create(
    State(front): State<Front>,
    Path(id): Path<String>,
    Body(new): Body<NewExec>,
) -> Answer<(StatusCode, Json<ExecCreated>)> {
    let spec = ExecSpec {
        command: new.command,
        env: new.env,
        working_dir: new.working_dir,
        user: new.user,
        terminal: new.terminal,
        stdin: new.stdin,
        stdout: true,
        stderr: true,
        privileged: false,
        detach_keys: None,
    };
    let id = front.engine.exec_create(&front.engine.find(&id)?, spec).await?;
    Ok((StatusCode::CREATED, Json(ExecCreated { id: id.to_string() })))
}

/// How an exec is doing.
#[utoipa::path(get, path = "/execs/{id}", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = Exec)))]
pub(super) async fn inspect(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Exec>> {
    let id = ExecId::parse(&id).ok_or_else(|| Failure::not_found("exec", &id))?;
    let exec = front.engine.exec_inspect(&id)?;
    let (running, exit_code, pid) = match exec.state {
        ExecState::Created => (false, None, None),
        ExecState::Starting => (true, None, None),
        ExecState::Running { pid, .. } => (true, None, Some(pid)),
        ExecState::Exited { status, .. } => (false, Some(status.code()), None),
        ExecState::Failed { code, .. } => (false, Some(code), None),
    };
    Ok(Json(Exec {
        id: exec.id.to_string(),
        container_id: exec.container.to_string(),
        running,
        exit_code,
        pid,
    }))
}
