//! What can be changed without a new container.

use super::{read, show};
use crate::native::body::{Json as Body, Path};
use crate::native::front::Front;
use crate::native::guard::OperableContainer;
use crate::native::problem::{Answer, Failure};
use axum::Json;
use axum::extract::State;
use model::container::ContainerName;
use shared::container::{Change, Details};
use shared::limits::Limits;

/// Renames a container or changes its restart policy.
#[utoipa::path(patch, path = "/containers/{id}", tag = "containers", params(("id" = String, Path)), request_body = Change, responses((status = 200, body = Details)))]
pub(super) async fn change(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Body(change): Body<Change>,
) -> Answer<Json<Details>> {
    if let Some(name) = change.name {
        let name = ContainerName::parse(&name).map_err(|error| Failure::mistake("name", error.to_string()))?;
        front.engine.rename(&id, name).await?;
    }
    if let Some(restart) = change.restart {
        front.engine.update(&id, None, Some(read::restart(restart))).await?;
    }
    let container = front.engine.inspect(&id)?;
    Ok(Json(show::details(&container, &front.engine.host_info())))
}

/// Returns the limits in force; `null` means no limit.
#[utoipa::path(get, path = "/containers/{id}/limits", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = Limits)))]
pub(super) async fn limits(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Limits>> {
    let container = front.engine.inspect(&front.engine.find(&id)?)?;
    Ok(Json(show::limits(&container.spec.limits)))
}

/// Updates the limits of a container.
///
/// The change applies immediately if the container is running. Absent fields stay unchanged; `null`
/// removes a limit. Either all limits change or none. The response contains the values read back
/// from the kernel.
#[utoipa::path(patch, path = "/containers/{id}/limits", tag = "containers", params(("id" = String, Path)), request_body = Limits, responses((status = 200, body = Limits)))]
pub(super) async fn change_limits(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Body(limits): Body<Limits>,
) -> Answer<Json<Limits>> {
    let asked = read::limits(limits, front.engine.host_stats().cpus);
    let container = front.engine.update(&id, Some(asked), None).await?;
    Ok(Json(show::limits(&container.spec.limits)))
}
