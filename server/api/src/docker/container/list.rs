//! `GET /containers/json`

use super::show;
use crate::docker::filters::Filters;
use crate::docker::network;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::now;
use axum::Json;
use axum::extract::State;
use engine::{Container, Engine, HostInfo};
use model::image::Digest;
use model::mount::Source;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const FILTERS: [&str; 16] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "label",
    "label!",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
    "isolation",
];

pub(in crate::docker) async fn list(State(engine): State<Engine>, query: Query) -> Result<Json<Value>, Failure> {
    let filters = Filters::read(&query, &FILTERS)?;
    let limit: Option<usize> = query
        .number::<i64>("limit")?
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| *limit > 0);
    let all = query.flag("all") || limit.is_some() || filters.has("status") || filters.has("exited");
    let selection = Selection::read(&engine, &filters).await?;
    let host = engine.host_info();
    let mut containers: Vec<Arc<Container>> = engine
        .list()
        .items
        .into_iter()
        .filter(|container| all || container.is_running() || container.restart_at.is_some())
        .filter(|container| selection.takes(container, &host))
        .collect();
    containers.truncate(limit.unwrap_or(usize::MAX));
    let sizes = if query.flag("size") {
        Some(sizes(&engine).await?)
    } else {
        None
    };
    let rows = containers
        .iter()
        .map(|container| {
            let mut row = row(container, &host);
            if let Some(sizes) = &sizes {
                let (writable, root) = sizes(container);
                row["SizeRw"] = writable.into();
                row["SizeRootFs"] = root.into();
            }
            row
        })
        .collect();
    Ok(Json(Value::Array(rows)))
}

pub(in crate::docker) fn row(container: &Container, host: &HostInfo) -> Value {
    let spec = &container.spec;
    json!({
        "Id": container.id.as_str(),
        "Names": [format!("/{}", spec.name)],
        "Image": show::image_name(&spec.image.reference),
        "ImageID": spec.image.id.as_str(),
        "Command": command(container),
        "Created": container.created.as_unix_nanos() / 1_000_000_000,
        "Ports": show::port_list(container),
        "Labels": show::labels(&spec.labels),
        "State": show::status_word(container),
        "Status": show::status_line(container, now()),
        "HostConfig": { "NetworkMode": show::network_mode(&spec.network.mode) },
        "NetworkSettings": { "Networks": show::networks(container, host) },
        "Mounts": show::mounts(&spec.mounts, &[]),
    })
}

/// The arguments as one line, quoted where a shell would need it.
fn command(container: &Container) -> String {
    let words = container.spec.process.arguments();
    let quoted = words.iter().map(|word| {
        if word.contains([' ', '\t', '\n', '"', '\'']) || word.is_empty() {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Bytes in the writable layer, and in it and the image together.
pub(in crate::docker) async fn sizes(engine: &Engine) -> Result<impl Fn(&Container) -> (u64, u64) + use<>, Failure> {
    let writable: HashMap<_, _> = engine
        .disk_usage()
        .await?
        .containers
        .into_iter()
        .map(|(id, disk)| (id, disk.writable_bytes))
        .collect();
    let images: HashMap<Digest, u64> = engine
        .images()
        .await?
        .items
        .into_iter()
        .map(|image| (image.id.clone(), image.unpacked_bytes()))
        .collect();
    Ok(move |container: &Container| {
        let writable = writable.get(&container.id).copied().unwrap_or(0);
        let image = images.get(&container.spec.image.id).copied().unwrap_or(0);
        (writable, writable + image)
    })
}

/// Filters, with names looked up once.
struct Selection<'a> {
    filters: &'a Filters,
    names: Vec<regex::Regex>,
    ancestors: Vec<Digest>,
    before: Option<Arc<Container>>,
    since: Option<Arc<Container>>,
}

impl<'a> Selection<'a> {
    async fn read(engine: &Engine, filters: &'a Filters) -> Result<Self, Failure> {
        let names = filters
            .values("name")
            .iter()
            .map(|name| regex::Regex::new(name).map_err(|_| Failure::invalid(format!("invalid filter 'name={name}'"))))
            .collect::<Result<_, _>>()?;
        let mut ancestors = Vec::new();
        for name in filters.values("ancestor") {
            // An image that is not here has no containers.
            if let Ok(images) = engine.image_and_descendants(name).await {
                ancestors.extend(images);
            }
        }
        let one = |name: &str| match filters.values(name) {
            [] => Ok(None),
            [id, ..] => engine.find(id).and_then(|id| engine.inspect(&id)).map(Some),
        };
        for status in filters.values("status") {
            let words = [
                "created",
                "running",
                "paused",
                "restarting",
                "removing",
                "exited",
                "dead",
            ];
            if !words.contains(&status.as_str()) {
                return Err(Failure::invalid(format!("invalid filter 'status={status}'")));
            }
        }
        Ok(Self {
            filters,
            names,
            ancestors,
            before: one("before")?,
            since: one("since")?,
        })
    }

    fn takes(&self, container: &Container, host: &HostInfo) -> bool {
        let spec = &container.spec;
        let filters = self.filters;
        let name = spec.name.as_str();
        let slashed = format!("/{name}");
        let network = show::network_mode(&spec.network.mode);
        let older = |other: &Arc<Container>| container.created < other.created;
        let newer = |other: &Arc<Container>| container.created > other.created;
        let health = show::health_of(container);
        (self.names.is_empty() || self.names.iter().any(|regex| regex.is_match(name) || regex.is_match(&slashed)))
            && (!filters.has("ancestor") || self.ancestors.contains(&spec.image.id))
            && self.before.as_ref().is_none_or(older)
            && self.since.as_ref().is_none_or(newer)
            && filters.allows("id", |id| container.id.as_str().starts_with(id))
            && filters.allows("status", |status| status == show::status_word(container))
            && filters.allows("health", |wanted| wanted == health)
            && filters.allows("exited", |code| {
                !container.is_running() && code.parse() == Ok(show::exit_code(container)) && container.run > 0
            })
            && filters.allows("network", |wanted| wanted == network || network::id(network, &host.instance) == wanted)
            && filters.allows("volume", |wanted| {
                spec.mounts.iter().any(|mount| {
                    mount.target == wanted || matches!(&mount.source, Source::Volume { name, .. } if name == wanted)
                })
            })
            && filters.allows("publish", |wanted| {
                container
                    .ports
                    .iter()
                    .any(|port| is_port(wanted, port.host_port, port.protocol.word()))
            })
            && filters.allows("expose", |wanted| {
                spec.network.exposed.iter().any(|exposed| {
                    exposed == wanted || exposed.strip_suffix("/tcp") == Some(wanted)
                })
            })
            // No container here belongs to a swarm's task.
            && filters.allows("is-task", |wanted| wanted == "false")
            && filters.allows_labels(&spec.labels)
    }
}

/// `8080`, `8080/tcp`, `8000-8090/udp`
fn is_port(wanted: &str, port: u16, protocol: &str) -> bool {
    let (ports, wanted_protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => wanted_protocol == protocol && (first..=last).contains(&port),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_alone_and_in_a_range() {
        assert!(is_port("8080", 8080, "tcp") && is_port("8000-8100/tcp", 8080, "tcp"));
        assert!(!is_port("8080/udp", 8080, "tcp") && !is_port("x", 8080, "tcp"));
    }
}
