//! `POST /containers/create`

use super::read::{self, Request};
use super::read_network;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{Engine, EngineError};
use model::container::ContainerId;
use model::container::spec::NamespaceMode;
use model::mount::Source;
use serde_json::{Value, json};

pub(in crate::docker) async fn create(
    State(engine): State<Engine>,
    query: Query,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    if let Some(platform) = query.get("platform") {
        check_platform(platform, engine.host_info().architecture)?;
    }
    let mut request = read::request(read::parse(&body)?, query.get("name"))?;
    complete(&engine, &mut request).await?;
    let name = request.container.name.clone();
    let created = engine.create(request.container).await.map_err(|error| match &name {
        Some(name) => name_taken(&engine, name.as_str(), error),
        None => Failure::from(error),
    })?;
    Ok((
        StatusCode::CREATED,
        Json(json!({ "Id": created.id.as_str(), "Warnings": created.warnings })),
    ))
}

/// What other containers, images and volumes have a say in.
async fn complete(engine: &Engine, request: &mut Request) -> Result<(), Failure> {
    let host = engine.host_info();
    for (network, mac) in &request.mac_addresses {
        if !read_network::is_generated_mac(mac, host.subnet) {
            return Err(Failure::unsupported(&format!(
                "NetworkingConfig.EndpointsConfig.{network}.MacAddress"
            )));
        }
    }
    let container = &mut request.container;
    container.hostname = container
        .hostname
        .take()
        .filter(|name| !is_default_hostname(engine, name, container.security.uts, &host.hostname));
    for from in std::mem::take(&mut request.volumes_from) {
        take_mounts(engine, &from, request)?;
    }
    if let Some(times) = request.health_of_image.take() {
        let image = engine.image(&request.container.image).await?;
        let Some(of_image) = image.config.health else {
            return Err(Failure::invalid(
                "Healthcheck has times, but neither it nor the image says what to run",
            ));
        };
        let mut health = of_image;
        health.interval = times.interval.or(health.interval);
        health.timeout = times.timeout.or(health.timeout);
        health.retries = times.retries.or(health.retries);
        health.start_period = times.start_period.or(health.start_period);
        health.start_interval = times.start_interval.or(health.start_interval);
        request.container.health = Some(health);
    }
    if !request.labelled_volumes.is_empty() {
        // The image first: without it there will be no container, and no volumes for it.
        engine.image(&request.container.image).await?;
    }
    for (name, labels) in std::mem::take(&mut request.labelled_volumes) {
        if engine.volume(&name).await.is_err() {
            engine.create_volume(Some(name), labels).await?;
        }
    }
    Ok(())
}

/// Whether inspections show this name for a container that asked for none: the beginning of its
/// id, or the host's name in the host's UTS namespace.
fn is_default_hostname(engine: &Engine, name: &str, uts: NamespaceMode, host_name: &str) -> bool {
    if uts == NamespaceMode::Host {
        return name == host_name;
    }
    let is_short_id = |id: &ContainerId| id.short() == name;
    let named = engine.find(name).ok().filter(is_short_id);
    named
        .and_then(|id| engine.inspect(&id).ok())
        .is_some_and(|container| container.spec.hostname.is_none())
}

/// The mounts of another container, except where this one has its own.
fn take_mounts(engine: &Engine, from: &str, request: &mut Request) -> Result<(), Failure> {
    let (name, read_only) = match from.rsplit_once(':') {
        Some((name, "ro")) => (name, true),
        Some((name, "rw" | "z" | "Z")) => (name, false),
        Some((_, mode)) => return Err(Failure::invalid(format!("invalid mode for volumes-from: {mode}"))),
        None => (from, false),
    };
    let other = engine.inspect(&engine.find(name)?)?;
    for mount in &other.spec.mounts {
        let own = &mut request.container;
        let taken = own.mounts.iter().any(|m| m.target == mount.target);
        if taken || matches!(mount.source, Source::Tmpfs { .. }) {
            continue;
        }
        own.anonymous_volumes.retain(|target| *target != mount.target);
        let mut mount = mount.clone();
        mount.read_only |= read_only;
        own.mounts.push(mount);
    }
    Ok(())
}

/// `linux/amd64`, `linux/arm64/v8`: only the host's own runs.
pub(in crate::docker) fn check_platform(platform: &str, architecture: &str) -> Result<(), Failure> {
    let mut parts = platform.split('/');
    let (os, wanted) = (parts.next().unwrap_or_default(), parts.next());
    let wanted = match wanted {
        Some("x86_64" | "x86-64") => Some("amd64"),
        Some("aarch64") => Some("arm64"),
        other => other,
    };
    if os == "linux" && wanted.is_none_or(|wanted| wanted == architecture) {
        Ok(())
    } else {
        Err(Failure::not_found(format!(
            "image with reference for platform {platform} was found but does not match the host's platform: linux/{architecture}"
        )))
    }
}

/// Names the holder of the name, as clients expect it.
pub(super) fn name_taken(engine: &Engine, name: &str, error: EngineError) -> Failure {
    if !matches!(error, EngineError::Taken { .. }) {
        return error.into();
    }
    let holder = engine
        .find(name)
        .map_or_else(|_| "another container".to_owned(), |id| id.to_string());
    Failure::conflict(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_platform_is_taken() {
        assert!(check_platform("linux/amd64", "amd64").is_ok());
        assert!(check_platform("linux", "amd64").is_ok());
        assert!(check_platform("linux/arm64/v8", "amd64").is_err());
        assert!(check_platform("windows/amd64", "amd64").is_err());
    }
}
