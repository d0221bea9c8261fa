//! What the query and the headers of a build say.

use crate::docker::container::{read_limits, read_ulimit};
use crate::docker::image;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::http::HeaderMap;
use base64::Engine as _;
use bollard_stubs::models::{HostConfig, ResourcesUlimits};
use engine::{BuildNetwork, FileChoice, NewBuild, NewContainer, RegistryLogin};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

pub(super) fn new_build(query: &Query, headers: &HeaderMap) -> Result<NewBuild, Failure> {
    refuse(query)?;
    let mut tags = Vec::new();
    for name in query.all("t").filter(|name| !name.is_empty()) {
        tags.push(image::reference(name, None)?);
    }
    let arguments: BTreeMap<String, Option<String>> = json(query, "buildargs")?.unwrap_or_default();
    let ulimits: Vec<ResourcesUlimits> = json(query, "ulimits")?.unwrap_or_default();
    let file = query.get("dockerfile").unwrap_or("Dockerfile");
    Ok(NewBuild {
        file: FileChoice::InContext(file.to_owned()),
        tags,
        target: query.get("target").map(str::to_owned),
        // One without a value takes it from the client's environment, which had none.
        arguments: arguments
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        labels: json(query, "labels")?.unwrap_or_default(),
        no_cache: query.flag("nocache"),
        pull: query.flag("pull"),
        platform: query.get("platform").map(str::to_owned),
        network: match query.get("networkmode") {
            None | Some("default" | "bridge") => BuildNetwork::Default,
            Some("none") => BuildNetwork::None,
            Some("host") => BuildNetwork::Host,
            Some(other) => return Err(Failure::unsupported(&format!("networkmode `{other}`"))),
        },
        // Who can write to this socket is root on the host.
        may_use_host_network: true,
        extra_hosts: query
            .all("extrahosts")
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect(),
        limits: limits(query)?,
        rlimits: ulimits.into_iter().map(read_ulimit).collect(),
        shm_bytes: query.number("shmsize")?.filter(|bytes| *bytes > 0),
        logins: logins(headers)?,
        owner: Some(crate::docker::owner()),
        ..NewBuild::default()
    })
}

/// What would change the image and cannot be had.
fn refuse(query: &Query) -> Result<(), Failure> {
    if query.get("version") == Some("2") {
        return Err(Failure::invalid(
            "this engine builds by the older protocol and with its own cache; set DOCKER_BUILDKIT=0",
        ));
    }
    if query.flag("squash") {
        return Err(Failure::unsupported("squash"));
    }
    for name in ["remote", "outputs", "cgroupparent", "securityopt"] {
        let said = query.get(name).filter(|value| !matches!(*value, "[]" | "null" | "{}"));
        if said.is_some() {
            return Err(Failure::unsupported(name));
        }
    }
    match query.get("isolation") {
        None | Some("default") => Ok(()),
        Some(_) => Err(Failure::unsupported("isolation")),
    }
}

fn limits(query: &Query) -> Result<model::container::Limits, Failure> {
    let host = HostConfig {
        memory: query.number("memory")?,
        memory_swap: query.number("memswap")?,
        cpu_shares: query.number("cpushares")?,
        cpu_period: query.number("cpuperiod")?,
        cpu_quota: query.number("cpuquota")?,
        cpuset_cpus: query.get("cpusetcpus").map(str::to_owned),
        cpuset_mems: query.get("cpusetmems").map(str::to_owned),
        ..HostConfig::default()
    };
    let mut container = NewContainer::of_image("");
    read_limits(&host, &mut container)?;
    Ok(container.limits)
}

fn json<T: DeserializeOwned>(query: &Query, name: &str) -> Result<Option<T>, Failure> {
    match query.get(name) {
        None | Some("null") => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|error| Failure::invalid(format!("{name}: {error}"))),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Given {
    username: String,
    password: String,
    auth: String,
}

/// `X-Registry-Config`: a login for each registry.
fn logins(headers: &HeaderMap) -> Result<BTreeMap<String, RegistryLogin>, Failure> {
    let Some(text) = headers.get("x-registry-config").and_then(|value| value.to_str().ok()) else {
        return Ok(BTreeMap::new());
    };
    let wrong = || Failure::invalid("X-Registry-Config is not the JSON of logins in base64");
    let bytes = decode(text).ok_or_else(wrong)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(BTreeMap::new());
    }
    let given: BTreeMap<String, Given> = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let mut logins = BTreeMap::new();
    for (registry, auth) in given {
        let (username, password) = if auth.username.is_empty() {
            let pair = decode(&auth.auth)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default();
            match pair.split_once(':') {
                Some((username, password)) => (username.to_owned(), password.to_owned()),
                None => continue,
            }
        } else {
            (auth.username, auth.password)
        };
        logins.insert(host_of(&registry), RegistryLogin::Password { username, password });
    }
    Ok(logins)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    url_safe
        .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(text))
        .ok()
}

/// `https://index.docker.io/v1/` is `docker.io`.
fn host_of(registry: &str) -> String {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_registry() {
        let json =
            r#"{"https://index.docker.io/v1/":{"username":"a","password":"b"},"r:5000":{"auth":"YzpkOmU="},"x":{}}"#;
        let mut headers = HeaderMap::new();
        let text = base64::engine::general_purpose::URL_SAFE.encode(json);
        headers.insert("x-registry-config", text.parse().expect("text"));
        let found = logins(&headers).expect("valid");
        let password = |username: &str, password: &str| RegistryLogin::Password {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        assert_eq!(found["docker.io"], password("a", "b"));
        assert_eq!(found["r:5000"], password("c", "d:e"));
        assert_eq!(found.len(), 2);
    }
}
