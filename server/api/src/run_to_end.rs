//! A changing request is finished whether or not its client waits for the answer.
//!
//! hyper drops the future of a request whose client hangs up, at whichever await it is. Half
//! of a change would stay: a row without directories, a container frozen for a commit. So the
//! handler of every changing request runs in a task of the engine, which is awaited at
//! shutdown. A body that was cut fails in that task as an error of its stream.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use engine::Engine;
use tracing::Instrument as _;

pub(crate) async fn run_to_end(State(engine): State<Engine>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match engine.run_to_end(next.run(request).in_current_span()).await {
        Ok(response) => response,
        // Handled as if the handler had panicked in this task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
