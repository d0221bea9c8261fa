//! Looking at, copying out and copying in.

use super::download::Download;
use super::owner;
use super::root::ContainerRoot;
use crate::blocking::blocking;
use crate::containers::request::Request;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use model::Timestamp;
use model::container::ContainerId;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use sys::tree::{Kind, Status, Tree};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

/// What a path of a container is. A link at its end is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStatus {
    /// Its last part; `/` of the root.
    pub name: String,
    pub kind: PathKind,
    /// Permissions, set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    pub modified: Timestamp,
    /// Where a link points.
    pub target: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    Directory,
    File,
    Link,
    Fifo,
    Socket,
    Character,
    Block,
}

/// How [`Engine::copy_in`] copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyOptions {
    /// Everything belongs to the container's user.
    pub own_user: bool,
    /// Refuses to put something else in the place of a directory.
    pub keep_directories: bool,
}

/// A path that was found, by what it is reached from.
enum Found {
    Directory(Tree),
    Entry {
        parent: Tree,
        name: OsString,
        status: Status,
    },
}

impl Engine {
    /// # Errors
    /// Nothing is there.
    pub async fn stat_path(&self, id: &ContainerId, path: &str) -> Result<PathStatus, EngineError> {
        let root = self.open_root(id, false).await?;
        let path = path.to_owned();
        blocking("look at a container's file", move || {
            let found = find(&root, &path)?;
            status_of(&found, &path).doing(|| format!("look at `{path}`"))
        })
        .await
    }

    /// What `path` is; of a directory what is in it, in order of names.
    pub async fn list_path(&self, id: &ContainerId, path: &str) -> Result<Vec<PathStatus>, EngineError> {
        let root = self.open_root(id, false).await?;
        let path = path.to_owned();
        blocking("look at a container's files", move || {
            let listed = match find(&root, &path)? {
                Found::Directory(dir) => list(&dir),
                found @ Found::Entry { .. } => status_of(&found, &path).map(|status| vec![status]),
            };
            listed.doing(|| format!("look at `{path}`"))
        })
        .await
    }

    /// A tar of `path`: a directory with all below it, or the one thing that is there.
    /// Names in it begin with the path's last part.
    pub async fn copy_out(&self, id: &ContainerId, path: &str) -> Result<(PathStatus, Download), EngineError> {
        let root = self.open_root(id, false).await?;
        let asked = path.to_owned();
        let (found, status) = blocking("look at a container's file", move || {
            let found = find(&root, &asked)?;
            let status = status_of(&found, &asked).doing(|| format!("look at `{asked}`"))?;
            Ok(((root, found), status))
        })
        .await?;
        let (base, asked) = (status.name.clone(), path.to_owned());
        let download = Download::begin(&self.inner, move |to| {
            let (root, found) = found;
            let first_ids = root.first_ids;
            let written = match &found {
                Found::Directory(dir) => image::write_tree(dir, base.as_bytes(), first_ids, to),
                Found::Entry { parent, name, .. } => image::write_entry(parent, name, base.as_bytes(), first_ids, to),
            };
            written.doing(|| format!("copy `{asked}` out"))
        })
        .await?;
        Ok((status, download))
    }

    /// Unpacks a tar, packed or not, in the directory `path`.
    ///
    /// # Errors
    /// It is no directory, or is read-only; an entry would leave the container's root.
    /// What was unpacked before stays.
    pub async fn copy_in(
        &self,
        id: &ContainerId,
        path: &str,
        tar: Pin<Box<dyn AsyncRead + Send>>,
        options: CopyOptions,
    ) -> Result<(), EngineError> {
        let user = options.own_user.then(|| self.inspect(id)).transpose()?;
        let user = user.map(|container| container.spec.process.user.clone());
        let root = self.open_root(id, true).await?;
        let path = without_dots(path);
        let from = SyncIoBridge::new(tar);
        blocking("copy into a container", move || {
            let into = sys::beneath::open_dir(&root, Path::new(&path)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => no_path(&path),
                io::ErrorKind::NotADirectory => EngineError::invalid("path", format!("`{path}` is not a directory")),
                _ => unreachable_path(&path, error),
            })?;
            if sys::mount::is_read_only(&into) {
                return Err(EngineError::Conflict(format!("`{path}` is read-only in the container")));
            }
            let handle = root.as_fd().try_clone_to_owned().map_err(|error| host(&path, error))?;
            let owner = user.map(|user| owner::numbers(&root, &user)).transpose()?;
            let first = root.first_ids;
            let owners = |ids: (u32, u32)| {
                let (user, group) = owner.unwrap_or(ids);
                (first.0.saturating_add(user), first.1.saturating_add(group))
            };
            image::extract(from, handle, Path::new(&path), owners, options.keep_directories).map_err(
                |error| match error.kind() {
                    io::ErrorKind::IsADirectory => {
                        EngineError::invalid("path", format!("{error}: a directory is there, and would be replaced"))
                    }
                    // `Other` is of the reader of the archive; what the kernel refuses has a kind of its own.
                    io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidFilename
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::Other => EngineError::invalid("archive", error),
                    io::ErrorKind::ReadOnlyFilesystem => EngineError::Conflict(format!("it is read-only: {error}")),
                    _ => host(&path, error),
                },
            )
        })
        .await
    }

    pub(super) async fn open_root(&self, id: &ContainerId, to_write: bool) -> Result<ContainerRoot, EngineError> {
        self.ask(id, |reply| Request::OpenRoot { to_write, reply }).await
    }
}

/// The last part of a path is looked at and not followed, unless a slash or a dot
/// stands behind it; everything before is followed inside the root.
fn find(root: &ContainerRoot, path: &str) -> Result<Found, EngineError> {
    let absolute = Path::new("/").join(path);
    let follows =
        path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") || matches!(path, "" | "." | "..");
    let outcome = match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) if !follows => find_entry(root, parent, name),
        _ => sys::beneath::open_dir(root, &absolute).map(|dir| Found::Directory(Tree::from_dir(dir))),
    };
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_path(path),
        _ => unreachable_path(path, error),
    })
}

fn find_entry(root: &ContainerRoot, parent: &Path, name: &OsStr) -> io::Result<Found> {
    let parent = Tree::from_dir(sys::beneath::open_dir(root, parent)?);
    let status = parent.find(name)?.ok_or(io::ErrorKind::NotFound)?;
    match status.kind {
        // Through the root again, so that what is mounted there is seen.
        Kind::Directory => parent.open_dir(name).map(Found::Directory),
        _ => Ok(Found::Entry {
            parent,
            name: name.to_owned(),
            status,
        }),
    }
}

fn list(dir: &Tree) -> io::Result<Vec<PathStatus>> {
    let mut listed = Vec::new();
    for name in dir.names()? {
        if let Some(status) = dir.find(&name)? {
            let target = match status.kind {
                Kind::Symlink => dir.read_link(&name).ok(),
                _ => None,
            };
            listed.push(show(&name, &status, target));
        }
    }
    Ok(listed)
}

fn status_of(found: &Found, path: &str) -> io::Result<PathStatus> {
    let (status, target) = match found {
        Found::Directory(dir) => (dir.status()?, None),
        Found::Entry { parent, name, status } => {
            let is_link = status.kind == Kind::Symlink;
            let target = is_link.then(|| parent.read_link(name)).transpose()?;
            (status.clone(), target)
        }
    };
    let absolute: PathBuf = Path::new("/").join(path).components().collect();
    let name = absolute.file_name().unwrap_or(OsStr::new("/"));
    Ok(show(name, &status, target))
}

fn show(name: &OsStr, status: &Status, target: Option<OsString>) -> PathStatus {
    let seconds = status.modified_s.saturating_mul(1_000_000_000);
    PathStatus {
        name: String::from_utf8_lossy(name.as_bytes()).into_owned(),
        kind: match status.kind {
            Kind::Directory => PathKind::Directory,
            Kind::File => PathKind::File,
            Kind::Symlink => PathKind::Link,
            Kind::Fifo => PathKind::Fifo,
            Kind::Socket => PathKind::Socket,
            Kind::Character { .. } => PathKind::Character,
            Kind::Block { .. } => PathKind::Block,
        },
        mode: status.mode,
        uid: status.uid,
        gid: status.gid,
        size_bytes: status.size_bytes,
        modified: Timestamp::from_unix_nanos(seconds.saturating_add(i64::from(status.modified_ns))),
        target: target.map(|target| target.to_string_lossy().into_owned()),
    }
}

/// Absolute, without `.` and `..`, which mean here what they mean in text.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn no_path(path: &str) -> EngineError {
    EngineError::NotFound {
        what: "path",
        name: path.to_owned(),
    }
}

/// No file can have such a path, or this host cannot reach it.
fn unreachable_path(path: &str, error: io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => EngineError::invalid(
            "path",
            format!("`{}` cannot be a path in a container: {error}", path.escape_debug()),
        ),
        _ => host(path, error),
    }
}

fn host(path: &str, error: io::Error) -> EngineError {
    EngineError::Host {
        doing: format!("reach `{path}` in the container"),
        source: Box::new(error),
    }
}
