//! Devices of the host, as they are found in its `/dev`.

use bundle::{DeviceKind, DeviceNode};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// What every container has of its own, or must not share: terminals, shared memory,
/// message queues, and what managers of hosts and containers keep for themselves.
const OWN: [&str; 9] = [
    "pts",
    "ptmx",
    "shm",
    "fd",
    "mqueue",
    ".lxc",
    ".lxd-mounts",
    ".udev",
    "console",
];

/// The device at `path`, symbolic links followed.
pub(super) fn find(path: &str) -> io::Result<DeviceNode> {
    node(&fs::metadata(path)?).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no device"))
}

/// Every device below `dir`, in order of the paths. What cannot be looked at, or goes
/// away meanwhile, is left out.
pub(super) fn all_below(dir: &Path) -> Vec<(String, DeviceNode)> {
    let mut found = Vec::new();
    collect(dir, &mut found);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn collect(dir: &Path, found: &mut Vec<(String, DeviceNode)>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if OWN.iter().any(|own| entry.file_name() == *own) {
            continue;
        }
        // Links are not followed: what they point to is found by itself.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            collect(&entry.path(), found);
        } else if let (Some(node), Some(path)) = (node(&metadata), entry.path().to_str()) {
            found.push((path.to_owned(), node));
        }
    }
}

fn node(metadata: &Metadata) -> Option<DeviceNode> {
    let kind = if metadata.file_type().is_char_device() {
        DeviceKind::Character
    } else if metadata.file_type().is_block_device() {
        DeviceKind::Block
    } else {
        return None;
    };
    let (major, minor) = bundle::major_minor(metadata.rdev());
    Some(DeviceNode {
        kind,
        major,
        minor,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_devices_are_found_without_terminals() {
        let found = all_below(Path::new("/dev"));
        let null = found.iter().find(|(path, _)| path == "/dev/null").unwrap();
        assert_eq!((null.1.kind, null.1.major, null.1.minor), (DeviceKind::Character, 1, 3));
        let terminals = |path: &str| path.starts_with("/dev/pts/") || path == "/dev/ptmx";
        assert!(!found.iter().any(|(path, _)| terminals(path)));
        assert_eq!(find("/dev/null").unwrap(), null.1);
        assert!(find("/etc/passwd").is_err());
    }
}
