//! Files of a container: looked at, copied in and out, compared, kept as an image.

use crate::native::body::{Json as Body, Path, Query};
use crate::native::front::Front;
use crate::native::guard::OperableContainer;
use crate::native::problem::{Answer, Failure};
use crate::native::{stream, words};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use engine::{ChangeKind, ContainerConfig, CopyOptions, Download, NewCommit, PathKind, PathStatus};
use futures_util::TryStreamExt as _;
use model::image::Reference;
use serde::Deserialize;
use shared::file::{Change, ChangedFile, Committed, File, FileKind, NewCommit as Asked};
use shared::list::List;
use std::io;
use tokio_util::io::StreamReader;

/// A tar that is made while it is sent.
pub(in crate::native) type Archive = ([(HeaderName, HeaderValue); 2], axum::body::Body);

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct At {
    /// Absolute path in the container.
    path: String,
}

/// Returns the file at a path, and the entries of a directory.
///
/// A symbolic link at the end of the path is followed only if a slash follows it, and is always
/// resolved inside the container's root.
#[utoipa::path(get, path = "/containers/{id}/files", tag = "containers", params(("id" = String, Path), At), responses((status = 200, body = List<File>)))]
pub(super) async fn list(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Query(asked): Query<At>,
) -> Answer<Json<List<File>>> {
    let files = front.engine.list_path(&id, &asked.path).await?;
    let items = files.into_iter().map(shown).collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}

/// Downloads a file or a directory tree of the container as a tar.
#[utoipa::path(get, path = "/containers/{id}/archive", tag = "containers", params(("id" = String, Path), At), responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(super) async fn copy_out(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Query(asked): Query<At>,
) -> Answer<Archive> {
    let (status, download) = front.engine.copy_out(&id, &asked.path).await?;
    Ok(archive(&status.name, download))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Into {
    /// Directory in the container.
    path: String,
    /// Sets the owner of all extracted files to the container's user.
    #[serde(default)]
    own_user: bool,
    /// Refuses to replace a directory with a file of another type.
    #[serde(default)]
    keep_directories: bool,
}

/// Extracts a tar into a directory of the container.
///
/// The tar may be compressed with gzip, zstd, xz or bzip2.
#[utoipa::path(put, path = "/containers/{id}/archive", tag = "containers", params(("id" = String, Path), Into), request_body(content = Vec<u8>, content_type = "application/x-tar"), responses((status = 204)))]
pub(super) async fn copy_in(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Query(asked): Query<Into>,
    body: axum::body::Body,
) -> Answer<StatusCode> {
    let options = CopyOptions {
        own_user: asked.own_user,
        keep_directories: asked.keep_directories,
    };
    let tar = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    front.engine.copy_in(&id, &asked.path, Box::pin(tar), options).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exports the container's root filesystem as a tar, without the contents of its mounts.
#[utoipa::path(get, path = "/containers/{id}/export", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(super) async fn export(State(front): State<Front>, OperableContainer(id): OperableContainer) -> Answer<Archive> {
    let name = front.engine.inspect(&id)?.spec.name.as_str().to_owned();
    Ok(archive(&name, front.engine.export(&id).await?))
}

/// Lists the files that the container changed relative to its image, sorted by path.
#[utoipa::path(get, path = "/containers/{id}/changes", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = List<ChangedFile>)))]
pub(super) async fn changes(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<List<ChangedFile>>> {
    let id = front.engine.find(&id)?;
    let changes = front.engine.changes(&id).await?.into_iter();
    let items = changes.map(|(path, kind)| ChangedFile {
        path: path.to_string_lossy().into_owned(),
        change: match kind {
            ChangeKind::Modified => Change::Modified,
            ChangeKind::Added => Change::Added,
            ChangeKind::Deleted => Change::Deleted,
        },
    });
    Ok(Json(words::whole_list(items.collect(), front.engine.last_seq())))
}

/// Creates an image from the container.
#[utoipa::path(post, path = "/containers/{id}/commit", tag = "containers", params(("id" = String, Path)), request_body = Asked, responses((status = 201, body = Committed)))]
pub(super) async fn commit(
    State(front): State<Front>,
    OperableContainer(id): OperableContainer,
    Body(asked): Body<Asked>,
) -> Answer<(StatusCode, Json<Committed>)> {
    let reference = asked.reference.filter(|text| !text.trim().is_empty());
    let reference = reference.map(|text| Reference::parse(text.trim()));
    let reference = reference.transpose();
    let new = NewCommit {
        reference: reference.map_err(|error| Failure::mistake("reference", error.to_string()))?,
        message: asked.message,
        author: asked.author,
        changes: asked.changes,
        config: ContainerConfig::default(),
        pause: asked.pause,
    };
    let image = front.engine.commit(&id, new).await?;
    Ok((
        StatusCode::CREATED,
        Json(Committed {
            id: image.id.to_string(),
        }),
    ))
}

/// What is being made, to be saved under a name.
pub(in crate::native) fn archive(name: &str, mut download: Download) -> Archive {
    let plain: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || "._-".contains(letter) {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let disposition = format!("attachment; filename=\"{plain}.tar\"");
    let disposition = HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let body = stream::body(move |sender| async move {
        while let Some(piece) = download.next().await {
            sender.send(piece?).await?;
        }
        Ok(())
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-tar")),
        (CONTENT_DISPOSITION, disposition),
    ];
    (headers, body)
}

fn shown(status: PathStatus) -> File {
    File {
        name: status.name,
        kind: match status.kind {
            PathKind::Directory => FileKind::Directory,
            PathKind::File => FileKind::File,
            PathKind::Link => FileKind::Link,
            PathKind::Fifo | PathKind::Socket | PathKind::Character | PathKind::Block => FileKind::Other,
        },
        mode: format!("{:04o}", status.mode),
        uid: status.uid,
        gid: status.gid,
        size_bytes: status.size_bytes,
        modified: status.modified.to_string(),
        target: status.target,
    }
}
