//! `RUN --mount`: what is seen for the time of one command.

use super::failure::Failure;
use super::request::Secret;
use super::root::open_to_read;
use super::select::{Chosen, Exclude, digest};
use super::stage::Ground;
use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use crate::layout::{ContainerDirs, make_private_dir, remove_dir};
use build::Script;
use build::instruction::{Mount, MountKind, Owner, Sharing};
use model::mount::Source;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Caches in use, by the name of their directory.
#[derive(Debug, Default)]
pub(super) struct CacheLocks {
    locks: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl CacheLocks {
    async fn of(&self, name: &str) -> Arc<Mutex<()>> {
        self.locks.lock().await.entry(name.to_owned()).or_default().clone()
    }
}

/// What a command gets besides the image's files, and what is held for it meanwhile.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    pub(super) mounts: Vec<model::mount::Mount>,
    pub(super) env: Vec<String>,
    /// Where something is mounted: what the mounts needed there is no change.
    pub(super) points: Vec<PathBuf>,
    /// Held until the command has ended.
    locks: Vec<OwnedMutexGuard<()>>,
}

/// Files of a source that is mounted, wherever they come from.
#[derive(Debug, Clone)]
pub(super) enum Files {
    /// A directory of the host that is ours.
    Dir(PathBuf),
    Layers(Vec<image::Layer>),
}

impl Files {
    pub(super) fn open(&self, engine: &Inner) -> Result<OwnedFd, EngineError> {
        match self {
            Self::Dir(path) => File::open(path)
                .map(OwnedFd::from)
                .doing(|| format!("open `{}`", path.display())),
            Self::Layers(layers) => open_to_read(engine, layers),
        }
    }
}

/// A directory in which only the name is known.
fn bind(path: PathBuf, target: &str, read_only: bool) -> Result<model::mount::Mount, Failure> {
    let path = path
        .into_os_string()
        .into_string()
        .map_err(|path| Failure::mistake(format!("the path `{}` is no text", path.display())))?;
    Ok(model::mount::Mount {
        source: Source::Bind {
            path,
            propagation: None,
            create: false,
            recursion: model::mount::Recursion::default(),
        },
        target: target.to_owned(),
        read_only,
    })
}

/// What the key of a command must know of bound files: their content.
pub(super) fn bound_digest(engine: &Inner, files: &Files, source: &str) -> Result<String, Failure> {
    let root = files.open(engine)?;
    let path = PathBuf::from(build::clean(source));
    let status = super::select::find(&root, &path).map_err(|error| not_there(source, &error))?;
    let chosen = Chosen {
        kept: path.clone(),
        is_dir: status.kind == sys::tree::Kind::Directory,
        path,
    };
    digest(&root, &[chosen], false, &Exclude::default()).map_err(|error| not_there(source, &error))
}

fn not_there(source: &str, error: &std::io::Error) -> Failure {
    Failure::mistake(format!("the mount's source `{source}` cannot be read: {error}"))
}

pub(super) struct Mounting<'a> {
    pub(super) engine: &'a Arc<Inner>,
    pub(super) ground: &'a Ground,
    pub(super) dirs: &'a ContainerDirs,
    pub(super) resolve: &'a (dyn Fn(&str) -> String + Sync),
}

impl Mounting<'_> {
    /// Gets everything ready. `files` are those of the mounts that name some, in order.
    pub(super) async fn all(
        &self,
        mounts: &[Mount],
        files: &[Option<Files>],
        script: Option<&Script>,
    ) -> Result<Mounted, Failure> {
        let mut mounted = Mounted::default();
        for (number, (mount, files)) in mounts.iter().zip(files).enumerate() {
            let target = (self.resolve)(&mount.target);
            match &mount.kind {
                MountKind::Bind { source, writable, .. } => {
                    let path = self.files(files.as_ref(), source, number, *writable)?;
                    mounted.mounts.push(bind(path, &target, !writable)?);
                    mounted.points.push(target.into());
                }
                MountKind::Cache {
                    id,
                    sharing,
                    read_only,
                    source,
                    owner,
                    ..
                } => {
                    let (path, lock) = self.cache(id, *sharing, files.as_ref(), source, *owner).await?;
                    mounted.locks.extend(lock);
                    mounted.mounts.push(bind(path, &target, *read_only)?);
                    mounted.points.push(target.into());
                }
                MountKind::Tmpfs { size_bytes } => {
                    mounted.points.push(target.clone().into());
                    mounted.mounts.push(model::mount::Mount {
                        source: Source::Tmpfs {
                            size_bytes: *size_bytes,
                            mode: None,
                            options: vec!["exec".to_owned()],
                        },
                        target,
                        read_only: false,
                    });
                }
                MountKind::Secret {
                    id,
                    required,
                    env,
                    owner,
                } => {
                    let secret = self.ground.request.secrets.iter().find(|secret| secret.id == *id);
                    let Some(secret) = secret else {
                        if *required {
                            return Err(Failure::mistake(format!(
                                "the secret `{id}` was not given to the build, and is required"
                            )));
                        }
                        continue;
                    };
                    self.secret(secret, number, env.as_deref(), &mount.target, *owner, &mut mounted)?;
                }
                MountKind::Ssh { id, required, .. } => {
                    let Some(socket) = self.ground.request.ssh.get(id) else {
                        if *required {
                            return Err(Failure::mistake(format!(
                                "no ssh agent `{id}` was given to the build, and it is required"
                            )));
                        }
                        continue;
                    };
                    let target = if mount.target.is_empty() {
                        format!("/run/buildkit/ssh_agent.{number}")
                    } else {
                        target
                    };
                    mounted.env.push(format!("SSH_AUTH_SOCK={target}"));
                    mounted.mounts.push(bind(socket.clone(), &target, false)?);
                    mounted.points.push(target.into());
                }
            }
        }
        if let Some(script) = script {
            let path = self.dirs.dir.join("script");
            fs::write(&path, &script.content)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
                .doing(|| format!("write `{}`", path.display()))?;
            mounted.mounts.push(bind(path, &script.path, true)?);
        }
        Ok(mounted)
    }

    /// A path of the host that shows the source; a copy where it is to be written to,
    /// or where several layers make it.
    fn files(&self, files: Option<&Files>, source: &str, number: usize, writable: bool) -> Result<PathBuf, Failure> {
        let Some(files) = files else {
            return Err(Failure::mistake("the mount has no source"));
        };
        let work = self.dirs.dir.join(format!("mount-{number}"));
        fs::create_dir_all(&work).doing(|| format!("make the directory `{}`", work.display()))?;
        let root = files.open(self.engine)?;
        let path = PathBuf::from(build::clean(source));
        let status = super::select::find(&root, &path).map_err(|error| not_there(source, &error))?;
        let single = match files {
            Files::Dir(_) => true,
            Files::Layers(layers) => layers.len() == 1,
        };
        if single && !writable {
            let handle = sys::beneath::find(&root, &path).map_err(|error| not_there(source, &error))?;
            let link = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
            return fs::read_link(link).map_err(|error| not_there(source, &error));
        }
        let copy = work.join("files");
        if status.kind == sys::tree::Kind::Directory {
            fs::create_dir_all(&copy).doing(|| format!("make the directory `{}`", copy.display()))?;
            let from = sys::beneath::open_dir(&root, &path).map_err(|error| not_there(source, &error))?;
            let to = File::open(&copy).doing(|| format!("open `{}`", copy.display()))?;
            sys::copy_tree::copy_into(&from, &to).doing(|| format!("copy the mount's source `{source}`"))?;
        } else {
            let mut from = super::select::open_file(root.as_fd(), &path).map_err(|error| not_there(source, &error))?;
            let mut to = File::create(&copy).doing(|| format!("make `{}`", copy.display()))?;
            std::io::copy(&mut from, &mut to).doing(|| format!("copy the mount's source `{source}`"))?;
            fs::set_permissions(&copy, Permissions::from_mode(status.mode))
                .doing(|| format!("write `{}`", copy.display()))?;
        }
        Ok(copy)
    }

    async fn cache(
        &self,
        id: &str,
        sharing: Sharing,
        files: Option<&Files>,
        source: &str,
        owner: Owner,
    ) -> Result<(PathBuf, Option<OwnedMutexGuard<()>>), Failure> {
        let locks = &self.engine.builds.cache_locks;
        let name = model::image::Digest::from_sha256(Sha256::digest(id).into()).hex()[..32].to_owned();
        let (name, lock) = match sharing {
            Sharing::Shared => (name, None),
            Sharing::Locked => {
                let lock = locks.of(&name).await;
                let held = tokio::select! {
                    held = lock.lock_owned() => held,
                    () = self.ground.cancel.cancelled() => return Err(Failure::Cancelled),
                };
                (name, Some(held))
            }
            Sharing::Private => {
                let mut number = 0;
                loop {
                    let candidate = format!("{name}-{number}");
                    if let Ok(held) = locks.of(&candidate).await.try_lock_owned() {
                        break (candidate, Some(held));
                    }
                    number += 1;
                }
            }
        };
        let dir = self.engine.layout.build_caches().join(name);
        if !dir.exists() {
            // Filled under another name: what can be seen is whole.
            let new = self
                .dirs
                .dir
                .join(format!("new-cache-{}", self.dirs.dir.as_os_str().len()));
            fs::create_dir_all(&new).doing(|| format!("make the directory `{}`", new.display()))?;
            if let Some(files) = files {
                let root = files.open(self.engine)?;
                let from =
                    sys::beneath::open_dir(&root, Path::new(source)).map_err(|error| not_there(source, &error))?;
                let to = File::open(&new).doing(|| format!("open `{}`", new.display()))?;
                sys::copy_tree::copy_into(&from, &to).doing(|| format!("copy the mount's source `{source}`"))?;
            }
            std::os::unix::fs::chown(&new, Some(owner.uid), Some(owner.gid))
                .and_then(|()| fs::set_permissions(&new, Permissions::from_mode(owner.mode)))
                .doing(|| format!("give `{}` its owner", new.display()))?;
            sys::unpack::rename_new(&new, &dir).doing(|| format!("make the directory `{}`", dir.display()))?;
            remove_dir(&new).doing(|| format!("remove the directory `{}`", new.display()))?;
        }
        Ok((dir, lock))
    }

    /// Below the run directory, which no crash of the host survives.
    fn secret(
        &self,
        secret: &Secret,
        number: usize,
        env: Option<&str>,
        target: &str,
        owner: Owner,
        mounted: &mut Mounted,
    ) -> Result<(), Failure> {
        if let Some(name) = env {
            let text = String::from_utf8(secret.value.clone())
                .ok()
                .filter(|text| !text.contains('\0'))
                .ok_or_else(|| {
                    Failure::mistake(format!(
                        "the secret `{}` is no text, so it can be no variable",
                        secret.id
                    ))
                })?;
            mounted.env.push(format!("{name}={text}"));
        }
        if target.is_empty() {
            return Ok(());
        }
        let target = (self.resolve)(target);
        let dir = self.dirs.run.join("secrets");
        make_private_dir(&dir).doing(|| format!("make the directory `{}`", dir.display()))?;
        let path = dir.join(number.to_string());
        fs::write(&path, &secret.value)
            .and_then(|()| std::os::unix::fs::chown(&path, Some(owner.uid), Some(owner.gid)))
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(owner.mode)))
            .doing(|| format!("write `{}`", path.display()))?;
        mounted.mounts.push(bind(path, &target, true)?);
        mounted.points.push(target.into());
        Ok(())
    }
}

/// Removes the caches nobody uses; how many bytes they had.
pub(super) async fn remove_caches(engine: &Arc<Inner>) -> Result<u64, EngineError> {
    // Who begins to use one meanwhile waits.
    let _running = engine.builds.runs.clone().write_owned().await;
    let dir = engine.layout.build_caches();
    crate::blocking::blocking("remove the caches of builds", move || {
        let bytes = size_of(&dir);
        remove_dir(&dir)
            .and_then(|()| make_private_dir(&dir))
            .doing(|| format!("remove the caches of builds in `{}`", dir.display()))?;
        Ok(bytes)
    })
    .await
}

pub(super) fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of(&entry.path()),
            Ok(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
            Err(_) => 0,
        })
        .sum()
}
