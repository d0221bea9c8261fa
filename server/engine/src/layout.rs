//! Where everything lies on the disk.

use crate::error::{Doing, EngineError};
use model::container::ContainerId;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The two directories a server owns. Paths in them are made here and nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) data: PathBuf,
    pub(crate) run: PathBuf,
}

impl Layout {
    /// Makes what is missing, for root's eyes only.
    pub(crate) fn make(data: &Path, run: &Path) -> Result<Self, EngineError> {
        for dir in [
            data.to_owned(),
            data.join("containers"),
            data.join("volumes"),
            run.to_owned(),
            run.join("containers"),
        ] {
            make_private_dir(&dir).doing(|| format!("make the directory `{}`", dir.display()))?;
        }
        for dir in ["containers", "volumes"] {
            sys::placement::spread(&data.join(dir)).doing(|| format!("mark `{}`", data.join(dir).display()))?;
        }
        // Layers and writable layers lie below: their set-user-id programs are no
        // business of the host's users.
        fs::set_permissions(data, Permissions::from_mode(0o700))
            .doing(|| format!("close `{}` to others", data.display()))?;
        let absolute = |path: &Path| fs::canonicalize(path).doing(|| format!("find `{}`", path.display()));
        Ok(Self {
            data: absolute(data)?,
            run: absolute(run)?,
        })
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data.join("gantry.db")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.data.join("server.lock")
    }

    pub(crate) fn instance(&self) -> PathBuf {
        self.data.join("instance")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// Files of containers that the database did not know.
    pub(crate) fn orphans(&self) -> PathBuf {
        self.data.join("orphans")
    }

    pub(crate) fn run_containers(&self) -> PathBuf {
        self.run.join("containers")
    }

    /// Where one image is made of packages; gone when that is over.
    pub(crate) fn template(&self, id: &str) -> PathBuf {
        self.templates().join(id)
    }

    pub(crate) fn templates(&self) -> PathBuf {
        self.data.join("templates")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// What builds make on the way, by id; swept at every start.
    pub(crate) fn build_work(&self) -> PathBuf {
        self.data.join("builds/work")
    }

    /// What `RUN --mount=type=cache` keeps.
    pub(crate) fn build_caches(&self) -> PathBuf {
        self.data.join("builds/caches")
    }

    pub(crate) fn build_logs(&self) -> PathBuf {
        self.data.join("builds/logs")
    }

    pub(crate) fn build_log(&self, id: &str) -> PathBuf {
        self.build_logs().join(id)
    }

    pub(crate) fn container(&self, id: &ContainerId) -> ContainerDirs {
        ContainerDirs {
            dir: self.containers().join(id.as_str()),
            run: self.run_containers().join(id.as_str()),
        }
    }
}

/// The directories of one container.
#[derive(Debug, Clone)]
pub(crate) struct ContainerDirs {
    pub(crate) dir: PathBuf,
    pub(crate) run: PathBuf,
}

impl ContainerDirs {
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    pub(crate) fn etc(&self) -> PathBuf {
        self.dir.join("etc")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(crate) fn exit_record(&self) -> PathBuf {
        self.dir.join(shim_protocol::ExitRecord::FILE)
    }

    /// The row as text.
    pub(crate) fn description(&self) -> PathBuf {
        self.dir.join("container.json")
    }

    pub(crate) fn health(&self) -> PathBuf {
        self.dir.join("health.json")
    }

    pub(crate) fn shim_log(&self) -> PathBuf {
        self.run.join("shim.log")
    }

    /// Makes the directories on the disk.
    pub(crate) fn make(&self) -> io::Result<()> {
        make_private_dir(&self.dir)?;
        // The root of the container: its users must be able to pass through it.
        make_dir(&self.rootfs(), 0o755)?;
        make_dir(&self.etc(), 0o755)?;
        make_dir(&self.log(), 0o700)
    }

    pub(crate) fn make_run(&self) -> io::Result<()> {
        make_private_dir(&self.run)
    }

    /// Removes all of it; what is gone already is no failure.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let run = remove_dir(&self.run);
        crate::snapshots::discard(&self.dir)?;
        remove_dir(&self.dir).and(run)
    }
}

pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    make_dir(path, 0o700)
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    if mode == 0o755 {
        // The umask may have taken bits away.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// What is gone already is no failure.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A subvolume that is read-only lets nobody empty it.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem && sys::btrfs::is_btrfs(path)? => {
            sys::btrfs::remove_subvolumes_below(path)?;
            fs::remove_dir_all(path)
        }
        outcome => outcome,
    }
}

/// Writes a small file so that readers see the old or the new one whole. For what is
/// written anew before it is read again: after a crash of the host it may be gone.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// [`write_whole`] that outlives a crash.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

/// The file's bytes; `None` when there is none.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_closed_to_others_and_a_root_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::make(&dir.path().join("data"), &dir.path().join("run")).unwrap();
        let id = ContainerId::from_random([7; 32]);
        layout.container(&id).make().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&layout.data), 0o700);
        assert_eq!(mode(&layout.container(&id).rootfs()), 0o755);
    }

    #[test]
    fn removing_what_is_not_there_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::make(&dir.path().join("data"), &dir.path().join("run")).unwrap();
        layout.container(&ContainerId::from_random([1; 32])).remove().unwrap();
    }
}
