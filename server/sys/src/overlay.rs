//! Overlays that are attached nowhere: reached through their descriptor alone, gone
//! with it, and never in anybody's mount table. fsopen(2), fsmount(2); kernel,
//! filesystems/overlayfs.rst

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What an overlay is made of.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Topmost first; at least one.
    pub lower: &'a [PathBuf],
    /// The writable layer and its work directory; without them the overlay is
    /// read-only, and then of at least two lower layers.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// Further options, `name` or `name=value`.
    pub options: &'a [String],
}

/// Makes an overlay and answers with its root.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `EBUSY` when the writable layer is in use.
pub fn mount_detached(layers: Layers<'_>) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    set_lower(context, layers.lower)?;
    if let Some((upper, work)) = layers.upper {
        fsconfig_set_string(context, "upperdir", upper)?;
        fsconfig_set_string(context, "workdir", work)?;
    }
    for option in layers.options {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context, name, value)?,
            None => fsconfig_set_flag(context, option.as_str())?,
        }
    }
    fsconfig_create(context)?;
    Ok(fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?)
}

/// One layer at a time where the kernel can (6.8), so that nothing limits their
/// number; else all in one value, which may have 255 bytes.
fn set_lower(context: BorrowedFd<'_>, lower: &[PathBuf]) -> io::Result<()> {
    for (place, layer) in lower.iter().enumerate() {
        match fsconfig_set_string(context, "lowerdir+", layer.as_path()) {
            Ok(()) => {}
            Err(Errno::INVAL) if place == 0 => {
                let joined = lower.iter().map(|layer| escape(layer)).collect::<Vec<_>>().join(&b':');
                fsconfig_set_string(context, "lowerdir", joined.as_slice())?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Colons separate layers.
fn escape(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b'\\') {
            bytes.push(b'\\');
        }
        bytes.push(*byte);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_detached_overlay_shows_its_layers_and_takes_writes() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["low:er", "top", "upper", "work"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("low:er").join("a"), "low").unwrap();
        fs::write(path("top").join("a"), "top").unwrap();
        fs::write(path("low:er").join("b"), "low").unwrap();
        // A layer on another overlay may be refused as upper; tmpfs and disks are fine.
        let root = mount_detached(Layers {
            lower: &[path("top"), path("low:er")],
            upper: Some((&path("upper"), &path("work"))),
            options: &[],
        })
        .unwrap();
        let inside = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        assert_eq!(fs::read_to_string(inside.join("a")).unwrap(), "top");
        assert_eq!(fs::read_to_string(inside.join("b")).unwrap(), "low");
        fs::write(inside.join("c"), "new").unwrap();
        assert_eq!(fs::read_to_string(path("upper").join("c")).unwrap(), "new");
    }
}
