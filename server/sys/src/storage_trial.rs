//! What a directory's file system can do for containers' files, found out by doing it: in
//! a directory of its own inside, which is gone afterwards.

use crate::overlay::{Layers, mount_detached};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether the writable layer of an overlay can lie in `dir`: files are made, replaced and
/// taken away in one.
pub fn overlay(dir: &Path) -> io::Result<()> {
    let place = Place::make(dir)?;
    let path = |name: &str| place.0.join(name);
    for name in ["lower", "lower/again", "upper", "work"] {
        fs::create_dir(path(name))?;
    }
    for name in ["lower/gone", "lower/changed", "lower/again/below"] {
        fs::write(path(name), "below")?;
    }
    let root = mount_detached(Layers {
        lower: &[path("lower")],
        upper: Some((&path("upper"), &path("work"))),
        options: &[],
    })
    .map_err(step("one with its writable layer there cannot be mounted"))?;
    let inside = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
    fs::write(inside.join("changed"), "above").map_err(step("files below it cannot be changed"))?;
    fs::remove_file(inside.join("gone")).map_err(step("files below it cannot be taken away"))?;
    // A directory that hides the one below it needs an attribute.
    fs::remove_dir_all(inside.join("again"))
        .and_then(|()| fs::create_dir(inside.join("again")))
        .map_err(step("directories below it cannot be replaced"))?;
    let hidden = !inside.join("again/below").exists() && !inside.join("gone").exists();
    let marked = fs::symlink_metadata(path("upper/gone"))?.file_type().is_char_device();
    if hidden && marked && fs::read(path("upper/changed"))? == b"above" {
        Ok(())
    } else {
        Err(io::Error::other("an overlay there does not keep what is written to it"))
    }
}

/// Whether subvolumes can be made, snapshotted and removed in `dir`.
pub fn btrfs(dir: &Path) -> io::Result<()> {
    if !crate::btrfs::is_btrfs(dir)? {
        return Err(io::Error::other("it does not lie on btrfs"));
    }
    let place = Place::make(dir)?;
    let path = |name: &str| place.0.join(name);
    crate::btrfs::create_subvolume(&path("base"))?;
    let shown = fs::write(path("base/file"), "base")
        .and_then(|()| crate::btrfs::snapshot(&path("base"), &path("own")))
        .and_then(|()| fs::write(path("own/file"), "changed"))
        .and_then(|()| fs::read(path("base/file")));
    let removed = ["own", "base"].map(|name| {
        if path(name).exists() {
            crate::btrfs::remove_subvolume(&path(name))
        } else {
            Ok(())
        }
    });
    let shown = shown?;
    removed.into_iter().collect::<io::Result<()>>()?;
    if shown == b"base" {
        Ok(())
    } else {
        Err(io::Error::other(
            "a snapshot there is not apart from what it was made of",
        ))
    }
}

/// Whether the files of an image can lie in `dir` as they are: with owners, modes and links.
pub fn plain(dir: &Path) -> io::Result<()> {
    let place = Place::make(dir)?;
    let path = |name: &str| place.0.join(name);
    let lacks = |what: &str| Err(io::Error::other(format!("its file system keeps no {what}")));
    fs::write(path("file"), "")?;
    match chown(path("file"), Some(1), Some(1)) {
        // A user namespace of one id has nobody to give files to.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !crate::user_namespace::is_initial() => {}
        outcome => {
            outcome.map_err(step("its file system gives files to nobody else"))?;
            let found = fs::metadata(path("file"))?;
            if (found.uid(), found.gid()) != (1, 1) {
                return lacks("owners");
            }
        }
    }
    fs::set_permissions(path("file"), Permissions::from_mode(0o4751))?;
    if fs::metadata(path("file"))?.mode() & 0o7777 != 0o4751 {
        return lacks("modes");
    }
    symlink("file", path("link")).map_err(step("its file system has no symbolic links"))
}

/// What cannot be done, and why.
fn step(what: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// A directory of one trial.
struct Place(PathBuf);

impl Place {
    fn make(dir: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".trial-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(step("nothing can be made there"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody else knows of it, and it holds nothing.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_leave_nothing_behind() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        plain(dir.path()).unwrap();
        let _ = overlay(dir.path());
        let _ = btrfs(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_overlay_serves_here_and_not_on_an_overlay() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        overlay(dir.path()).unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["lower", "upper", "work"] {
            fs::create_dir(path(name)).unwrap();
        }
        let root = mount_detached(Layers {
            lower: &[path("lower")],
            upper: Some((&path("upper"), &path("work"))),
            options: &[],
        })
        .unwrap();
        let inside = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        overlay(&inside).unwrap_err();
        plain(&inside).unwrap();
    }
}
