//! `POST /containers/{id}/update`

use super::{read, read_limits};
use crate::docker::problem::Failure;
use crate::docker::query;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use bollard_stubs::models::ContainerUpdateBody;
use engine::Engine;
use model::container::{Limits, RestartPolicy};
use serde_json::{Value, json};

pub(in crate::docker) async fn update(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let id = engine.find(&name)?;
    read_limits::refuse_kernel_memory(&query::json(&body)?)?;
    let body: ContainerUpdateBody = query::json(&body)?;
    let limits = read_limits::update(&body)?;
    // A policy without a name leaves it as it is.
    let restart = body
        .restart_policy
        .filter(|policy| policy.name.is_some_and(|name| !name.to_string().is_empty()))
        .map(read::read_restart)
        .transpose()?;
    if restart.is_some_and(|restart| restart != RestartPolicy::No) && engine.inspect(&id)?.spec.auto_remove {
        return Err(Failure::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    let limits = (limits != Limits::default()).then_some(limits);
    engine.update(&id, limits, restart).await?;
    Ok(Json(json!({ "Warnings": [] })))
}
