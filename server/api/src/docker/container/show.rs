//! What a container is, in the words both lists and details have for it.

use super::durations;
use crate::docker::network;
use engine::{Container, ExitInfo, Health, HealthStatus, HostInfo, Volume};
use model::Timestamp;
use model::container::State;
use model::image::Reference;
use model::mount::{Mount, Source};
use model::network::{NetworkMode, PortMapping};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// What Go's zero time looks like: never.
pub(in crate::docker) const NEVER: &str = "0001-01-01T00:00:00Z";

/// What nobody knows is told as the code that a vanished process has.
const CODE_OF_LOST: i32 = 255;

/// `dockerd` has no words of its own for a failed start or a lost container.
pub(in crate::docker) fn status_word(container: &Container) -> &'static str {
    if container.restart_at.is_some() {
        return "restarting";
    }
    match container.state {
        State::Created | State::Failed { .. } => "created",
        State::Running { .. } => "running",
        State::Paused { .. } => "paused",
        State::Exited { .. } | State::Lost { .. } => "exited",
    }
}

/// As most people type it: the tag `latest` goes without saying.
pub(in crate::docker) fn image_name(reference: &Reference) -> String {
    if reference.tag() == Some("latest") && reference.digest().is_none() {
        reference.short_name()
    } else {
        reference.short()
    }
}

/// The code of the run that ended, 0 before and while one runs.
pub(super) fn exit_code(container: &Container) -> i32 {
    match &container.state {
        State::Created | State::Running { .. } | State::Paused { .. } => 0,
        State::Exited { status, .. } => status.code(),
        State::Failed { code, .. } => *code,
        State::Lost { .. } => CODE_OF_LOST,
    }
}

/// `Up 2 minutes (healthy)`, `Exited (0) 3 hours ago`.
pub(super) fn status_line(container: &Container, now: Timestamp) -> String {
    let ago = |at: Timestamp| durations::show(now.since(at));
    let ended = |at: Timestamp| {
        if container.restart_at.is_some() {
            format!("Restarting ({}) {} ago", exit_code(container), ago(at))
        } else {
            format!("Exited ({}) {} ago", exit_code(container), ago(at))
        }
    };
    match &container.state {
        State::Created | State::Failed { .. } if container.restart_at.is_none() => "Created".to_owned(),
        State::Created => "Created".to_owned(),
        State::Running { since, .. } => match &container.health {
            Some(health) => format!("Up {} ({})", ago(*since), health_line(health)),
            None => format!("Up {}", ago(*since)),
        },
        State::Paused { since, .. } => format!("Up {} (Paused)", ago(*since)),
        State::Exited { at, .. } | State::Failed { at, .. } | State::Lost { at, .. } => ended(*at),
    }
}

fn health_line(health: &Health) -> &'static str {
    match health.status {
        HealthStatus::Starting => "health: starting",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Unhealthy => "unhealthy",
    }
}

/// `none` without a probe. What is not probed any more is not healthy, for clients
/// that look at nothing else.
pub(super) fn health_of(container: &Container) -> &'static str {
    let probed = matches!(container.state, State::Running { .. });
    match container.health.as_ref().map(|health| health.status) {
        None => "none",
        Some(_) if !probed => "unhealthy",
        Some(HealthStatus::Starting) => "starting",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Unhealthy) => "unhealthy",
    }
}

pub(super) fn state(container: &Container) -> Value {
    let word = status_word(container);
    let init = container.state.init();
    let finished = container.last_exit.as_ref().map(|exit| exit.at);
    let (started, finished) = match &container.state {
        State::Created => (None, None),
        State::Running { since, .. } | State::Paused { since, .. } => (Some(*since), finished),
        State::Exited { started, at, .. } => (Some(*started), Some(*at)),
        State::Failed { at, .. } | State::Lost { at, .. } => (None, Some(*at)),
    };
    let error = match (&container.state, &container.last_exit) {
        (State::Failed { reason, .. }, _) => reason.clone(),
        (State::Exited { .. } | State::Lost { .. }, Some(ExitInfo { error: Some(error), .. })) => error.clone(),
        _ => String::new(),
    };
    let mut state = json!({
        "Status": word,
        "Running": matches!(word, "running" | "paused" | "restarting"),
        "Paused": word == "paused",
        "Restarting": word == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": false,
        "Pid": init.map_or(0, |init| init.pid),
        "ExitCode": exit_code(container),
        "Error": error,
        "StartedAt": time(started),
        "FinishedAt": time(finished),
    });
    if let Some(health) = &container.health {
        state["Health"] = show_health(health, health_of(container));
    }
    state
}

fn show_health(health: &Health, word: &str) -> Value {
    let log: Vec<Value> = health
        .probes
        .iter()
        .map(|probe| {
            json!({
                "Start": probe.started.to_string(),
                "End": probe.ended.to_string(),
                "ExitCode": probe.exit_code,
                "Output": String::from_utf8_lossy(&probe.output),
            })
        })
        .collect();
    json!({
        "Status": word,
        "FailingStreak": health.failing_streak,
        "Log": log,
    })
}

pub(in crate::docker) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), |at| at.to_string())
}

pub(in crate::docker) fn labels(labels: &[(String, String)]) -> Value {
    let map: Map<String, Value> = labels
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.clone())))
        .collect();
    Value::Object(map)
}

pub(super) fn network_mode(mode: &NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
    }
}

/// The endpoint, by its network's name.
pub(super) fn networks(container: &Container, host: &HostInfo) -> Value {
    let name = network_mode(&container.spec.network.mode);
    let running = container.endpoint.as_ref().filter(|_| container.is_running());
    let mut endpoint = json!({
        "IPAMConfig": null,
        "Links": null,
        "Aliases": null,
        "MacAddress": "",
        "DriverOpts": null,
        "GwPriority": 0,
        "NetworkID": network::id(name, &host.instance),
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": null,
    });
    if let Some(running) = running {
        endpoint["MacAddress"] = mac(running.mac).into();
        endpoint["EndpointID"] = container.id.as_str().into();
        endpoint["Gateway"] = running.gateway.to_string().into();
        endpoint["IPAddress"] = running.address.to_string().into();
        endpoint["IPPrefixLen"] = running.prefix.into();
    }
    json!({ name: endpoint })
}

pub(in crate::docker) fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn host_ip(port: &PortMapping) -> IpAddr {
    port.host_address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// As lists have them: published ones, then those only exposed.
pub(super) fn port_list(container: &Container) -> Vec<Value> {
    let published = container.ports.iter().map(|port| {
        json!({
            "IP": host_ip(port).to_string(),
            "PrivatePort": port.container_port,
            "PublicPort": port.host_port,
            "Type": port.protocol.word(),
        })
    });
    let exposed = exposed_alone(container, &container.ports).filter_map(|exposed| {
        let (port, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
        let port: u16 = port.parse().ok()?;
        Some(json!({ "PrivatePort": port, "Type": protocol }))
    });
    published.chain(exposed).collect()
}

/// As details have them: by the container's port.
pub(super) fn port_map(container: &Container, ports: &[PortMapping]) -> Value {
    let mut map = Map::new();
    for port in ports {
        let binding = json!({
            "HostIp": host_ip(port).to_string(),
            "HostPort": port.host_port.to_string(),
        });
        let key = format!("{}/{}", port.container_port, port.protocol.word());
        match map.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(bindings) => bindings.push(binding),
            _ => unreachable!("only lists are put in"),
        }
    }
    for exposed in exposed_alone(container, ports) {
        map.insert(exposed.to_owned(), Value::Null);
    }
    Value::Object(map)
}

fn exposed_alone<'a>(container: &'a Container, ports: &'a [PortMapping]) -> impl Iterator<Item = &'a str> {
    let running = container.is_running();
    container
        .spec
        .network
        .exposed
        .iter()
        .map(String::as_str)
        .filter(move |exposed| {
            running
                && !ports
                    .iter()
                    .any(|port| format!("{}/{}", port.container_port, port.protocol.word()) == **exposed)
        })
}

/// `volumes` tells where volumes lie; one that is not in it is shown without its path.
pub(super) fn mounts(mounts: &[Mount], volumes: &[Volume]) -> Vec<Value> {
    mounts.iter().map(|mount| show_mount(mount, volumes)).collect()
}

fn show_mount(mount: &Mount, volumes: &[Volume]) -> Value {
    let read_write = !mount.read_only;
    match &mount.source {
        Source::Bind { path, propagation, .. } => json!({
            "Type": "bind",
            "Source": path,
            "Destination": mount.target,
            "Mode": if read_write { "" } else { "ro" },
            "RW": read_write,
            "Propagation": propagation.as_deref().unwrap_or("rprivate"),
        }),
        Source::Volume { name, .. } => {
            let path = volumes
                .iter()
                .find(|volume| volume.name == *name)
                .map(|volume| volume.path.to_string_lossy().into_owned());
            json!({
                "Type": "volume",
                "Name": name,
                "Source": path.unwrap_or_default(),
                "Destination": mount.target,
                "Driver": "local",
                "Mode": if read_write { "z" } else { "ro" },
                "RW": read_write,
                "Propagation": "",
            })
        }
        Source::Tmpfs { .. } => json!({
            "Type": "tmpfs",
            "Source": "",
            "Destination": mount.target,
            "Mode": "",
            "RW": read_write,
            "Propagation": "",
        }),
    }
}
