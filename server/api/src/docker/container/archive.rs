//! Files of containers: `HEAD`, `GET` and `PUT /containers/{id}/archive`, `…/export`,
//! `…/changes`.

use crate::docker::image::reader;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use engine::{ChangeKind, CopyOptions, Download, Engine, EngineError, PathKind, PathStatus};
use futures_util::stream;
use serde_json::{Value, json};
use std::io;

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");
const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");

/// `HEAD` tells what is there, `GET` also gives it as a tar.
pub(in crate::docker) async fn read(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
    method: Method,
) -> Result<Response, Failure> {
    let id = engine.find(&name)?;
    let path = path(&query)?;
    let missing = |error| not_found(error, &path, &name);
    if method == Method::HEAD {
        let status = engine.stat_path(&id, &path).await.map_err(missing)?;
        return Ok(stat_header(&status).into_response());
    }
    let (status, download) = engine.copy_out(&id, &path).await.map_err(missing)?;
    let mut headers = stat_header(&status);
    headers.insert(CONTENT_TYPE, TAR);
    Ok((headers, body(download)).into_response())
}

/// Unpacks the body in a directory that is there.
pub(in crate::docker) async fn write(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
    request: Request,
) -> Result<StatusCode, Failure> {
    let id = engine.find(&name)?;
    let path = path(&query)?;
    let options = CopyOptions {
        own_user: query.flag("copyUIDGID"),
        keep_directories: query.flag("noOverwriteDirNonDir"),
    };
    let written = engine.copy_in(&id, &path, reader(request.into_body()), options).await;
    match written {
        Ok(()) => Ok(StatusCode::OK),
        Err(EngineError::Conflict(why)) if why.contains("read-only") => Err(Failure::new(
            StatusCode::FORBIDDEN,
            format!("container rootfs is marked read-only: {why}"),
        )),
        Err(error) => Err(not_found(error, &path, &name)),
    }
}

pub(in crate::docker) async fn export(
    State(engine): State<Engine>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let download = engine.export(&engine.find(&name)?).await?;
    Ok(([(CONTENT_TYPE, TAR)], body(download)).into_response())
}

/// `null` when nothing has changed, as `dockerd` answers.
pub(in crate::docker) async fn changes(
    State(engine): State<Engine>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let changes = engine.changes(&engine.find(&name)?).await?;
    if changes.is_empty() {
        return Ok(Json(Value::Null));
    }
    let shown = changes.iter().map(|(path, kind)| {
        let kind = match kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        };
        json!({ "Path": path.to_string_lossy(), "Kind": kind })
    });
    Ok(Json(shown.collect()))
}

/// What is being made, as a body; one that breaks off is cut, not ended.
pub(in crate::docker) fn body(download: Download) -> Body {
    Body::from_stream(stream::unfold(download, async |mut download| {
        let piece = download.next().await?;
        Some((piece.map_err(io::Error::other), download))
    }))
}

fn path(query: &Query) -> Result<String, Failure> {
    let path = query
        .get("path")
        .ok_or_else(|| Failure::invalid("missing parameter in path: path"))?;
    Ok(path.to_owned())
}

fn not_found(error: EngineError, path: &str, container: &str) -> Failure {
    match error {
        EngineError::NotFound { what: "path", .. } => {
            Failure::not_found(format!("Could not find the file {path} in container {container}"))
        }
        other => other.into(),
    }
}

/// Base64 of the JSON of what is there; the mode as Go counts it (io/fs, FileMode).
fn stat_header(status: &PathStatus) -> HeaderMap {
    let json = json!({
        "name": status.name,
        "size": status.size_bytes,
        "mode": go_mode(status),
        "mtime": status.modified.to_string(),
        "linkTarget": status.target.clone().unwrap_or_default(),
    });
    let text = base64::engine::general_purpose::STANDARD.encode(json.to_string());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(STAT, value);
    }
    headers
}

fn go_mode(status: &PathStatus) -> u32 {
    let kind = match status.kind {
        PathKind::File => 0,
        PathKind::Directory => 1 << 31,
        PathKind::Link => 1 << 27,
        PathKind::Block => 1 << 26,
        PathKind::Character => 1 << 26 | 1 << 21,
        PathKind::Fifo => 1 << 25,
        PathKind::Socket => 1 << 24,
    };
    let bit = |unix: u32, go: u32| if status.mode & unix != 0 { go } else { 0 };
    kind | status.mode & 0o777 | bit(0o4000, 1 << 23) | bit(0o2000, 1 << 22) | bit(0o1000, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    #[test]
    fn modes_are_counted_as_go_counts_them() {
        let status = |kind, mode| PathStatus {
            name: "x".to_owned(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            size_bytes: 0,
            modified: Timestamp::from_unix_nanos(0),
            target: None,
        };
        assert_eq!(go_mode(&status(PathKind::Directory, 0o1777)), 2_148_532_735);
        assert_eq!(go_mode(&status(PathKind::File, 0o4755)), 8_389_101);
    }
}
