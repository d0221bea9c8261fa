//! Networks. There are the three that every container can be in; none is made
//! or removed by clients.

use super::container::mac_text;
use super::filters::Filters;
use super::problem::Failure;
use super::query::Query;
use axum::Json;
use axum::extract::{Path, State};
use engine::{Container, Engine, HostInfo};
use model::event::Subject;
use model::network::NetworkMode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const NAMES: [&str; 3] = ["bridge", "host", "none"];

/// 64 digits that follow from the instance, so that they stay.
pub(crate) fn id(name: &str, instance: &str) -> String {
    let kind = match name {
        "bridge" => "b1",
        "host" => "b2",
        _ => "b3",
    };
    format!("{:0<64}", format!("{instance}{kind}"))
}

/// `GET /networks`
pub(super) async fn list(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let known = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];
    let filters = Filters::read(&query, &known)?;
    let dangling = filters.flag("dangling")?;
    let host = engine.host_info();
    let networks = NAMES
        .iter()
        .filter(|name| {
            filters.allows("name", |wanted| name.contains(wanted))
                && filters.allows("id", |wanted| id(name, &host.instance).starts_with(wanted))
                && filters.allows("driver", |wanted| wanted == driver(name))
                && filters.allows("scope", |wanted| wanted == "local")
                && filters.allows("type", |wanted| wanted == "builtin")
                // Those that come with the engine are never left over.
                && dangling != Some(true)
                && filters.allows_labels(&[])
        })
        .map(|name| show(name, &host, &[]))
        .collect();
    Ok(Json(Value::Array(networks)))
}

/// `GET /networks/{id}`
pub(super) async fn inspect(State(engine): State<Engine>, Path(wanted): Path<String>) -> Result<Json<Value>, Failure> {
    let host = engine.host_info();
    let name = NAMES
        .into_iter()
        .find(|name| *name == wanted)
        .or_else(|| {
            let by_id = |name: &&str| wanted.len() >= 4 && id(name, &host.instance).starts_with(&wanted);
            NAMES.into_iter().find(by_id)
        })
        .ok_or_else(|| Failure::not_found(format!("network {wanted} not found")))?;
    Ok(Json(show(name, &host, &engine.list().items)))
}

/// `POST /networks/prune`: none is ever left over.
pub(super) async fn prune(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    Filters::read(&query, &["until", "label", "label!"])?;
    engine.record_prune(Subject::Network(String::new()), 0).await?;
    Ok(Json(json!({ "NetworksDeleted": [] })))
}

fn driver(name: &str) -> &str {
    if name == "none" { "null" } else { name }
}

fn show(name: &str, host: &HostInfo, containers: &[Arc<Container>]) -> Value {
    let bridge = name == "bridge";
    let ipam = if bridge {
        json!([{ "Subnet": host.subnet.to_string(), "Gateway": host.subnet.gateway().to_string() }])
    } else {
        json!([])
    };
    let options = if bridge {
        json!({
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
            "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
            "com.docker.network.bridge.name": host.bridge(),
        })
    } else {
        json!({})
    };
    json!({
        "Name": name,
        "Id": id(name, &host.instance),
        "Created": super::container::NEVER,
        "Scope": "local",
        "Driver": driver(name),
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": ipam },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": members(name, containers),
        "Options": options,
        "Labels": {},
    })
}

fn members(name: &str, containers: &[Arc<Container>]) -> Value {
    let mut members = Map::new();
    for container in containers.iter().filter(|container| container.is_running()) {
        let network = match container.spec.network.mode {
            NetworkMode::Bridge => "bridge",
            NetworkMode::None => "none",
            NetworkMode::Host => "host",
        };
        if network != name {
            continue;
        }
        let endpoint = container.endpoint.as_ref();
        let member = json!({
            "Name": container.spec.name.as_str(),
            "EndpointID": container.id.as_str(),
            "MacAddress": endpoint.map(|endpoint| mac_text(endpoint.mac)).unwrap_or_default(),
            "IPv4Address": endpoint
                .map(|endpoint| format!("{}/{}", endpoint.address, endpoint.prefix))
                .unwrap_or_default(),
            "IPv6Address": "",
        });
        members.insert(container.id.to_string(), member);
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_64_digits_and_differ() {
        let ids: std::collections::BTreeSet<String> = NAMES.iter().map(|name| id(name, "a1b2c3")).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.len() == 64));
    }
}
