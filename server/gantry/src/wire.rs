//! Puts the parts together.

use crate::config::Config;
use crate::embedded;
use access::Access;
use anyhow::Context as _;
use engine::Engine;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

pub(crate) async fn open_engine(
    config: &Config,
    network: Option<Arc<OwnedFd>>,
    forget_everything: bool,
) -> anyhow::Result<Engine> {
    let options = engine::Options {
        data_dir: config.data_dir.clone(),
        run_dir: config.run_dir.clone(),
        cgroup_parent: config.cgroup_parent.clone(),
        subnet: config.subnet,
        mirrors: config.mirrors.clone(),
        pids_limit: config.pids_limit,
        userns: config.userns.clone(),
        snapshotter: config.snapshotter,
        network,
        forget_everything,
        runtime: embedded::runtime()?,
    };
    Ok(Engine::open(options).await?)
}

/// The first user, from a file; or a code with which a browser may make one.
pub(crate) async fn first_user(access: &Access, password_file: Option<&Path>) -> anyhow::Result<Option<String>> {
    if access.is_set_up().await? {
        return Ok(None);
    }
    let Some(file) = password_file else {
        return Ok(Some(access::Secret::random().reveal().to_owned()));
    };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the password in {}", file.display()))?;
    access
        .set_up("admin", text.trim_end_matches(['\r', '\n']), api::now())
        .await
        .with_context(|| format!("cannot make the user `admin` with the password in {}", file.display()))?;
    Ok(None)
}

pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen"))
}

/// The Docker socket, for its owner and group. The engine's lock is held already,
/// so a socket that is there was left by a server that is gone.
pub(crate) fn listen_docker(path: &PathBuf) -> anyhow::Result<UnixListener> {
    let failed = || {
        format!(
            "cannot listen on {}; choose another with --docker-socket",
            path.display()
        )
    };
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                anyhow::bail!(
                    "another program answers on {}; choose another with --docker-socket",
                    path.display()
                );
            }
            fs::remove_file(path).with_context(failed)?;
        }
        Ok(_) => anyhow::bail!(
            "{} is there and is no socket; choose another with --docker-socket",
            path.display()
        ),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).with_context(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).with_context(failed)?;
    Ok(listener)
}
