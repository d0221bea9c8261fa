use crate::native::body::Path;
use crate::native::front::Front;
use crate::native::problem::Answer;
use crate::native::words;
use axum::Json;
use axum::extract::State;
use shared::container::Process;
use shared::list::List;

/// Lists the processes of a running container.
#[utoipa::path(get, path = "/containers/{id}/processes", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = List<Process>)))]
pub(super) async fn list(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<List<Process>>> {
    let id = front.engine.find(&id)?;
    let now = crate::now();
    let items = front
        .engine
        .top(&id)
        .await?
        .into_iter()
        .map(|process| {
            let age_ns = now.since(process.started).as_nanos().max(1) as f64;
            Process {
                pid: process.pid,
                container_pid: process.container_pid,
                parent: process.parent_pid,
                user: process.user,
                state: process.state.to_string(),
                threads: process.threads,
                // Over its whole life, as ps(1) has it.
                cpu_percent: process.cpu_ns as f64 / age_ns * 100.0,
                memory_bytes: process.memory_bytes,
                started: process.started.to_string(),
                command: process.command,
            }
        })
        .collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}
