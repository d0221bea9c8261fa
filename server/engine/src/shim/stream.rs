//! Raw connections: a container's standard streams, and execs with theirs.

use super::connect_socket;
use super::control::{ShimError, read_frame};
use shim_protocol::{Attach, Exec, FromShim, Hello, Identity, Reply, frame};
use std::path::Path;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

/// Joins the standard streams of a process; the answer carries raw bytes from here on.
pub(crate) async fn attach(run_dir: &Path, request: Attach) -> Result<UnixStream, ShimError> {
    let (stream, _) = greet(run_dir, &Hello::Attach(request)).await?;
    Ok(stream)
}

/// Begins a process in the container.
pub(crate) async fn exec(run_dir: &Path, request: Exec) -> Result<(UnixStream, Identity), ShimError> {
    let (stream, reply) = greet(run_dir, &Hello::Exec(Box::new(request))).await?;
    Ok((stream, reply.process.ok_or(ShimError::Gone)?))
}

async fn greet(run_dir: &Path, hello: &Hello) -> Result<(UnixStream, Reply), ShimError> {
    let mut stream = connect_socket(run_dir).await?;
    stream.write_all(&frame::encode(hello)?).await?;
    match read_frame::<FromShim>(&mut stream).await? {
        FromShim::Reply(Reply {
            error: Some(problem), ..
        }) => Err(ShimError::Refused(problem)),
        FromShim::Reply(reply) => Ok((stream, reply)),
        _ => Err(ShimError::Gone),
    }
}
