//! Further processes in a container. A console channel of the socket starts them.

use crate::native::body::{Json as Body, Path};
use crate::native::front::Front;
use crate::native::guard::{Caller, OperableContainer};
use crate::native::problem::{Answer, Failure};
use crate::native::words;
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{ExecId, ExecSpec, ExecState};
use shared::exec::{Console, Exec, ExecCreated, NewExec};
use shared::list::List;

/// Creates an exec. It starts when a console channel with its id is opened.
#[utoipa::path(post, path = "/containers/{id}/execs", tag = "containers", params(("id" = String, Path)), request_body = NewExec, responses((status = 201, body = ExecCreated)))]
pub(super) async fn create(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
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
    let id = front.engine.exec_create(&id, spec).await?;
    Ok((StatusCode::CREATED, Json(ExecCreated { id: id.to_string() })))
}

/// Lists the consoles of a container: execs with a terminal that a console channel opened.
#[utoipa::path(get, path = "/containers/{id}/consoles", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = List<Console>)))]
pub(super) async fn consoles(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<List<Console>>> {
    let id = front.engine.find(&id)?;
    let consoles = front.engine.consoles(&id).into_iter().map(|console| Console {
        id: console.exec.to_string(),
        command: console.command,
        user: console.user,
        owner: console.owner,
        started: console.started.to_string(),
        clients: u32::try_from(console.clients).unwrap_or(u32::MAX),
    });
    Ok(Json(words::whole_list(consoles.collect(), front.engine.last_seq())))
}

/// Terminates an exec and all processes of its session.
///
/// Sends SIGHUP, and SIGKILL to processes that are still running after a grace period.
#[utoipa::path(delete, path = "/execs/{id}", tag = "containers", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn end(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let id = ExecId::parse(&id).ok_or_else(|| Failure::not_found("exec", &id))?;
    require_owner(&front, &caller, &id)?;
    front.engine.end_console(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A console is its owner's: what was typed into it may be secret. Administrators may join
/// every one.
pub(in crate::native) fn require_owner(front: &Front, caller: &Caller, id: &ExecId) -> Answer<()> {
    match front.engine.console_owner(id) {
        Some(owner) if !owner.is_empty() && owner != caller.owner() => caller.require(Permission::Administer),
        Some(_) | None => Ok(()),
    }
}

/// Returns the state of an exec.
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
