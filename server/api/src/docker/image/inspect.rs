//! `GET /images/{name}/json` and `…/history`

use super::{list, save};
use crate::docker::problem::Failure;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{Engine, Image};
use model::Timestamp;
use serde_json::{Value, json};

/// A name holds slashes, so the verb is what stands behind the last one.
pub(in crate::docker) async fn by_suffix(
    State(engine): State<Engine>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    match path.rsplit_once('/') {
        Some((name, "json")) => Ok(Json(inspect(&engine, name).await?).into_response()),
        Some((name, "get")) => save::save(&engine, &[name.to_owned()]).await,
        Some((name, "history")) => Ok(Json(history(&engine, name).await?).into_response()),
        _ => Err(Failure::not_there(request.method(), request.uri().path())),
    }
}

async fn inspect(engine: &Engine, name: &str) -> Result<Value, Failure> {
    let image = engine.image(name).await?;
    let raw = raw_config(engine, &image).await?;
    let text = |field: &str| raw[field].as_str().unwrap_or_default().to_owned();
    let diff_ids: Vec<&str> = image.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let mut shown = json!({
        "Id": image.id.as_str(),
        "RepoTags": list::tags(&image),
        "RepoDigests": list::digests(&image),
        "Parent": "",
        "Comment": last_comment(&raw),
        "Created": image.created.map(|created| created.to_string()).unwrap_or_default(),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config(&raw["config"]),
        "Architecture": image.config.architecture,
        "Os": image.config.os,
        "Size": image.unpacked_bytes(),
        "GraphDriver": { "Name": engine.host_info().snapshotter.snapshotter.docker_name(), "Data": null },
        "RootFS": { "Type": "layers", "Layers": diff_ids },
        "Metadata": { "LastTagTime": image.added.to_string() },
    });
    if let Some(variant) = raw["variant"].as_str() {
        shown["Variant"] = variant.into();
    }
    Ok(shown)
}

/// With every field that Docker shows also where the image says nothing of it: to clients
/// `null`, the empty text and an absent field are not the same.
fn config(raw: &Value) -> Value {
    let mut shown = json!({
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": false,
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": null,
        "Cmd": null,
        "Image": "",
        "Volumes": null,
        "WorkingDir": "",
        "Entrypoint": null,
        "OnBuild": null,
        "Labels": null,
    });
    // Shown only where they say something.
    const OPTIONAL: [&str; 8] = [
        "ArgsEscaped",
        "ExposedPorts",
        "Healthcheck",
        "MacAddress",
        "NetworkDisabled",
        "Shell",
        "StopSignal",
        "StopTimeout",
    ];
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    for (name, value) in raw.as_object().into_iter().flatten() {
        let always = shown.get(name).map(|default| !default.is_null());
        match always {
            // Of these, `null` is the zero value.
            Some(true) if value.is_null() => {}
            Some(_) => shown[name] = value.clone(),
            None if OPTIONAL.contains(&name.as_str()) && !says_nothing(value) => shown[name] = value.clone(),
            None => {}
        }
    }
    shown
}

fn last_comment(raw: &Value) -> &str {
    let last = raw["history"].as_array().and_then(|steps| steps.last());
    last.and_then(|step| step["comment"].as_str()).unwrap_or_default()
}

/// Newest first; a step without a layer has no size.
async fn history(engine: &Engine, name: &str) -> Result<Value, Failure> {
    let image = engine.image(name).await?;
    let raw = raw_config(engine, &image).await?;
    let mut layers = image.layers.iter();
    let mut steps: Vec<Value> = Vec::new();
    for step in raw["history"].as_array().into_iter().flatten() {
        let empty = step["empty_layer"].as_bool().unwrap_or(false);
        let size = if empty {
            0
        } else {
            layers.next().map_or(0, |layer| layer.unpacked_bytes)
        };
        let created = step["created"].as_str().and_then(Timestamp::parse_rfc3339);
        steps.push(shown_step(
            created,
            step["created_by"].as_str(),
            size,
            step["comment"].as_str(),
        ));
    }
    // An image may have more layers than it tells of.
    for layer in layers {
        steps.push(shown_step(image.created, None, layer.unpacked_bytes, None));
    }
    steps.reverse();
    if let Some(newest) = steps.first_mut() {
        newest["Id"] = image.id.as_str().into();
        newest["Tags"] = list::tags(&image).into();
    }
    Ok(Value::Array(steps))
}

fn shown_step(created: Option<Timestamp>, by: Option<&str>, size: u64, comment: Option<&str>) -> Value {
    json!({
        "Id": "<missing>",
        "Created": created.map_or(0, |created| created.as_unix_nanos() / 1_000_000_000),
        "CreatedBy": by.unwrap_or_default(),
        "Tags": null,
        "Size": size,
        "Comment": comment.unwrap_or_default(),
    })
}

async fn raw_config(engine: &Engine, image: &Image) -> Result<Value, Failure> {
    let raw = engine.image_config_json(&image.id).await?;
    serde_json::from_slice(&raw).map_err(|error| {
        Failure::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            format!("the config of image {} cannot be read: {error}", image.id),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_stay_what_they_are_and_what_is_absent_is_shown_as_docker_does() {
        let shown = config(&json!({
            "Env": [], "Cmd": ["sh"], "Labels": null, "User": null, "Entrypoint": null, "WorkingDir": "/w",
            "ExposedPorts": {}, "StopSignal": "", "Shell": ["/bin/bash"], "ArgsEscaped": true, "Other": 1,
        }));
        assert_eq!(shown["Env"], json!([]));
        assert_eq!(shown["Cmd"], json!(["sh"]));
        assert_eq!((&shown["User"], &shown["WorkingDir"]), (&json!(""), &json!("/w")));
        for name in ["Labels", "Entrypoint", "OnBuild", "Volumes"] {
            assert_eq!(shown.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!(shown["Tty"], false);
        assert_eq!(
            (&shown["Shell"], &shown["ArgsEscaped"]),
            (&json!(["/bin/bash"]), &json!(true))
        );
        for name in ["ExposedPorts", "StopSignal", "Healthcheck", "Other"] {
            assert_eq!(shown.get(name), None, "{name}");
        }
        assert_eq!(config(&Value::Null)["Env"], Value::Null);
    }
}
