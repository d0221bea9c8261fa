use super::show;
use crate::native::body::Path;
use crate::native::front::Front;
use crate::native::problem::Answer;
use axum::Json;
use axum::extract::State;
use shared::container::HealthReport;

/// Returns the health check results of the current or last run; `null` without a health check.
#[utoipa::path(get, path = "/containers/{id}/health", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = Option<HealthReport>)))]
pub(super) async fn report(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Option<HealthReport>>> {
    let container = front.engine.inspect(&front.engine.find(&id)?)?;
    Ok(Json(container.health.as_ref().map(show::health_report)))
}
