//! Networks: the three that every container can be in.

use super::front::Front;
use super::problem::Answer;
use super::words;
use axum::Json;
use axum::extract::State;
use model::network::NetworkMode;
use shared::list::List;
use shared::network::{Member, Network};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists networks with their containers.
#[utoipa::path(get, path = "/networks", tag = "networks", responses((status = 200, body = List<Network>)))]
async fn list(State(front): State<Front>) -> Answer<Json<List<Network>>> {
    let host = front.engine.host_info();
    let containers = front.engine.list();
    let items = [
        (NetworkMode::Bridge, "bridge"),
        (NetworkMode::Host, "host"),
        (NetworkMode::None, "none"),
    ]
    .into_iter()
    .map(|(mode, kind)| {
        let is_bridge = mode == NetworkMode::Bridge;
        Network {
            id: crate::docker::network_id(kind, &host.instance),
            name: kind.to_owned(),
            kind: kind.to_owned(),
            subnet: is_bridge.then(|| host.subnet.to_string()),
            gateway: is_bridge.then(|| host.subnet.gateway().to_string()),
            device: is_bridge.then(|| host.bridge()),
            members: containers
                .items
                .iter()
                .filter(|container| container.spec.network.mode == mode && container.is_running())
                .map(|container| Member {
                    id: container.id.to_string(),
                    name: container.spec.name.as_str().to_owned(),
                    address: container.endpoint.as_ref().map(|endpoint| endpoint.address.to_string()),
                })
                .collect(),
        }
    })
    .collect();
    Ok(Json(words::whole_list(items, containers.seq)))
}
