//! Where mounts may go: what sees and sets up the container later must be able to
//! trust that `/proc`, `/sys` and `/dev` are what they are called.

use crate::Failure;
use oci_spec::runtime::Mount;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use sys::beneath;

/// Files of `/proc` that may be covered, by a file that shows other figures.
const COVERED: [&str; 8] = [
    "uptime",
    "meminfo",
    "stat",
    "cpuinfo",
    "loadavg",
    "diskstats",
    "swaps",
    "slabinfo",
];

/// Refuses what would put something else where the kernel is believed to speak
/// (CVE-2019-16884, CVE-2025-52881).
pub(super) fn check(wanted: &Mount) -> Result<(), Failure> {
    let destination = wanted.destination();
    let refuse = |why: &str| {
        Err(Failure::new(
            "mount",
            format!("cannot mount at `{}`: {why}", destination.display()),
        ))
    };
    if destination.as_os_str().is_empty() {
        return refuse("the path is empty");
    }
    let plain = plain(destination);
    let Ok(below) = plain.strip_prefix("/proc") else {
        return Ok(());
    };
    if below.as_os_str().is_empty() {
        return match wanted.typ().as_deref() {
            Some("proc") => Ok(()),
            // The host's own, where its processes are to be seen.
            _ if wanted.source().as_deref() == Some(Path::new("/proc")) => Ok(()),
            _ => refuse("only `proc` may be there"),
        };
    }
    let known = COVERED.iter().any(|name| below == Path::new(name)) || below == Path::new("net/dev");
    if known && crate::sources::binds(wanted).is_some() {
        return Ok(());
    }
    refuse("nothing may be mounted inside `/proc` but files with other figures")
}

/// Whether a mount goes to `path`, however its destination is written.
pub(super) fn is(wanted: &Mount, path: &str) -> bool {
    plain(wanted.destination()) == Path::new(path)
}

/// Makes a mount point. The directories that the runtime relies on are never reached
/// through a link of the image's (CVE-2019-19921, CVE-2023-27561).
pub(super) fn make_dir(root: BorrowedFd<'_>, destination: &Path) -> io::Result<OwnedFd> {
    let made = outside_proc(beneath::make_dirs(root, destination, 0o755)?, destination)?;
    let plain = plain(destination);
    if ["/proc", "/sys", "/dev"].iter().any(|path| plain == Path::new(path)) {
        return beneath::find_without_links(root, destination).map_err(|error| {
            if error.raw_os_error() == Some(sys::errno::ELOOP) {
                // The wording is runc's, which people and test suites search for.
                return io::Error::other(
                    "it must be mounted on ordinary directory, and the image has a symbolic link there",
                );
            }
            error
        });
    }
    Ok(made)
}

/// Makes the file that another is mounted at.
pub(super) fn make_file(root: BorrowedFd<'_>, destination: &Path) -> io::Result<OwnedFd> {
    outside_proc(beneath::make_file(root, destination, 0o644)?, destination)
}

/// What may be mounted inside `/proc` has been checked by its name; nothing gets there by
/// a link, which the image has or another container has put on a volume (CVE-2023-27561).
fn outside_proc(made: OwnedFd, destination: &Path) -> io::Result<OwnedFd> {
    if sys::mount::is_proc(&made)? && !plain(destination).starts_with("/proc") {
        return Err(io::Error::other("a symbolic link there leads into `/proc`"));
    }
    Ok(made)
}

/// Without `.` and `..`, which stay inside the root. A relative path begins at the root:
/// runtime-spec, config.md, "Mounts".
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn allowed(destination: &str, kind: &str) -> bool {
        let mount = json!({"destination": destination, "type": kind, "source": "/x"});
        check(&serde_json::from_value(mount).unwrap()).is_ok()
    }

    #[test]
    fn proc_is_proc_and_nothing_covers_what_is_in_it() {
        assert!(allowed("/proc", "proc"));
        assert!(!allowed("/proc", "tmpfs"));
        assert!(!allowed("/proc/self/attr", "bind"));
        assert!(!allowed("/sys/../proc/sys", "bind"));
        assert!(allowed("/proc/meminfo", "bind"));
        assert!(!allowed("/proc/meminfo", "tmpfs"));
        assert!(allowed("/srv/proc", "tmpfs"));
        assert!(allowed("srv", "tmpfs"));
        assert!(!allowed("", "tmpfs"));
        assert!(!allowed("proc/sys", "tmpfs"));
        assert!(!allowed("./proc/../proc/self", "bind"));
    }
}
