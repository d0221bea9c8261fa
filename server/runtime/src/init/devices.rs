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

/// `binds` where device files cannot be made, only shown: by users of a user namespace.
pub(super) fn make_all(root: BorrowedFd<'_>, spec: &Spec, binds: bool) -> Result<(), Failure> {
    let dir = dev(root).map_err(Failure::io("device", "cannot open `/dev`, which may be no link"))?;
    // A bind of the host's /dev has everything already, and must not be changed.
    let is_host = spec
        .mounts()
        .iter()
        .flatten()
        .any(|mount| super::destination::is(mount, "/dev") && mount.typ().as_deref() != Some("tmpfs"));
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
            let path = Path::new("/dev").join(name);
            let made = if binds {
                bind(&dir, name, &path, node)
            } else {
                make(&dir, name, node)
            };
            made.map_err(Failure::io("device", format!("cannot make `{}`", path.display())))?;
        }
        for (name, target) in LINKS {
            unless_there(sys::device::link(&dir, name, target))
                .map_err(Failure::io("device", format!("cannot make `/dev/{name}`")))?;
        }
    }
    let given = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref());
    for device in given.into_iter().flatten() {
        let path = device.path();
        // The container's own, which engines list for those who get all of the host's.
        if path == Path::new("/dev/ptmx") {
            continue;
        }
        let failed = |error| Failure::io("device", format!("cannot make `{}`", path.display()))(error);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let number = |number: i64| u32::try_from(number).map_err(|_| failed(io::ErrorKind::InvalidInput.into()));
        let node = Node {
            kind: match device.typ() {
                LinuxDeviceType::B => Kind::Block,
                LinuxDeviceType::P => Kind::Fifo,
                LinuxDeviceType::C | LinuxDeviceType::U | LinuxDeviceType::A => Kind::Character,
            },
            major: number(device.major())?,
            minor: number(device.minor())?,
            mode: device.file_mode().unwrap_or(0o666) & 0o7777,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        };
        let dir = beneath::make_dirs(root, parent, 0o755).map_err(failed)?;
        let made = if binds && node.kind != Kind::Fifo {
            bind(&dir, name, path, node)
        } else {
            make(&dir, name, node)
        };
        made.map_err(failed)?;
    }
    Ok(())
}

/// What is there already is good if it is that device.
fn make(dir: &OwnedFd, name: &str, node: Node) -> io::Result<()> {
    match sys::device::make(dir, name, node) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && node.kind != Kind::Fifo => {
            let there = beneath::find_without_links(dir, Path::new(name))?;
            expect(&there, node)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Shows the host's device at `path`.
fn bind(dir: &OwnedFd, name: &str, path: &Path, node: Node) -> io::Result<()> {
    let tree = mount::copy_path_detached(path, false)?;
    // A device node needs neither set-user-ID nor execution.
    mount::change(&tree, mount::NO_SUID | mount::NO_EXEC, 0, false)?;
    expect(&tree, node)?;
    // Nothing that the host mounts there later is to come along.
    mount::set_propagation(&tree, mount::Propagation::Private, false)?;
    let place = place(dir, name, 0o666)?;
    mount::attach(&tree, &place)
}

/// The container's `/dev`, which is never reached through a link.
fn dev(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    beneath::make_dirs(root, Path::new("/dev"), 0o755)?;
    beneath::find_without_links(root, Path::new("/dev"))
}

/// A file to mount at. A link of that name would send the mount elsewhere, such as over
/// what is masked later (CVE-2025-52565).
fn place(dir: &OwnedFd, name: &str, mode: u32) -> io::Result<OwnedFd> {
    let name = Path::new(name);
    beneath::make_file(dir, name, mode)?;
    beneath::find_without_links(dir, name)
}

fn expect(handle: &OwnedFd, node: Node) -> io::Result<()> {
    if sys::device::number(handle)? == Some((node.kind, node.major, node.minor)) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "there is something else than device {}:{}",
        node.major, node.minor
    )))
}

/// The container's own `/dev/null`, if that is one.
pub(super) fn own_null(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let dir = beneath::find_without_links(root, Path::new("/dev"))?;
    let node = Node {
        kind: Kind::Character,
        major: 1,
        minor: 3,
        mode: 0o666,
        uid: 0,
        gid: 0,
    };
    // Looked at before it is opened: opening something else could wait or change it.
    expect(&beneath::find_without_links(&dir, Path::new("null"))?, node)?;
    let opened = beneath::open_without_links(&dir, Path::new("null"))?;
    expect(&opened, node)?;
    Ok(opened)
}

/// Puts the terminal at `/dev/console`.
pub(super) fn make_console(root: BorrowedFd<'_>, peer: &OwnedFd) -> Result<(), Failure> {
    let failed = |error| Failure::io("terminal", "cannot make `/dev/console`")(error);
    let place = dev(root)
        .and_then(|dir| place(&dir, "console", 0o620))
        .map_err(failed)?;
    let tree = mount::copy_detached(peer, Path::new(""), false).map_err(failed)?;
    mount::attach(&tree, &place).map_err(failed)
}

fn unless_there(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
