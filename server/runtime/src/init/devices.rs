//! `/dev`: the devices every container has, and those it was given.

use crate::Failure;
use oci_spec::runtime::{LinuxDeviceType, Spec};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use sys::device::{Kind, Node};
use sys::{beneath, mount};

/// runtime-spec, config-linux.md, "Default Devices".
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// runtime-spec, runtime-linux.md, "Dev symbolic links".
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

pub(super) fn make_all(root: BorrowedFd<'_>, spec: &Spec) -> Result<(), Failure> {
    let dir =
        beneath::make_dirs(root, Path::new("/dev"), 0o755).map_err(Failure::io("device", "cannot open `/dev`"))?;
    // A bind of the host's /dev has everything already, and must not be changed.
    let is_host = spec
        .mounts()
        .iter()
        .flatten()
        .any(|mount| mount.destination() == Path::new("/dev") && mount.typ().as_deref() != Some("tmpfs"));
    if !is_host {
        for (name, major, minor) in DEFAULTS {
            let node = Node {
                kind: Kind::Character,
                major,
                minor,
                mode: 0o666,
                uid: 0,
                gid: 0,
            };
            unless_there(sys::device::make(&dir, name, node))
                .map_err(Failure::io("device", format!("cannot make `/dev/{name}`")))?;
        }
        for (name, target) in LINKS {
            unless_there(sys::device::link(&dir, name, target))
                .map_err(Failure::io("device", format!("cannot make `/dev/{name}`")))?;
        }
    }
    let given = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref());
    for device in given.into_iter().flatten() {
        let path = device.path();
        let failed = |error| Failure::io("device", format!("cannot make `{}`", path.display()))(error);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let dir = beneath::make_dirs(root, parent, 0o755).map_err(failed)?;
        let node = Node {
            kind: match device.typ() {
                LinuxDeviceType::B => Kind::Block,
                LinuxDeviceType::P => Kind::Fifo,
                LinuxDeviceType::C | LinuxDeviceType::U | LinuxDeviceType::A => Kind::Character,
            },
            major: u32::try_from(device.major()).unwrap_or(0),
            minor: u32::try_from(device.minor()).unwrap_or(0),
            mode: device.file_mode().unwrap_or(0o666) & 0o7777,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        };
        unless_there(sys::device::make(&dir, name, node)).map_err(failed)?;
    }
    Ok(())
}

/// Puts the terminal at `/dev/console`.
pub(super) fn make_console(root: BorrowedFd<'_>, peer: &OwnedFd) -> Result<(), Failure> {
    let failed = |error| Failure::io("terminal", "cannot make `/dev/console`")(error);
    let place = beneath::make_file(root, Path::new("/dev/console"), 0o620).map_err(failed)?;
    let tree = mount::copy_detached(peer, Path::new(""), false).map_err(failed)?;
    mount::attach(&tree, &place).map_err(failed)
}

fn unless_there(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
