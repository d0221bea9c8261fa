//! Mounts put together where nobody else sees them: in a mount namespace of their own,
//! reached by descriptors alone and gone with them. mount_namespaces(7)

use crate::mount;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::thread;

/// What is shown inside a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub source: PathBuf,
    /// In the tree; links are resolved inside it. What is not there is left out.
    pub target: PathBuf,
    pub read_only: bool,
}

/// A tree with its parts.
#[derive(Debug)]
pub struct Assembled {
    root: OwnedFd,
    /// The mounts stay together as long as their namespace lives.
    _namespace: OwnedFd,
}

impl AsFd for Assembled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Attaches the detached tree `root` in a new mount namespace, and `parts` inside it.
pub fn assemble(root: OwnedFd, parts: &[Part]) -> io::Result<Assembled> {
    // The namespace is the thread's own, so the thread is not used again.
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("private-mounts".to_owned());
        let worker = worker.spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let host = File::open("/")?;
            let everything = mount::Propagation::Private;
            mount::set_propagation(&host, everything, true)?;
            mount::attach(&root, &host)?;
            for part in parts {
                show(&root, &host, part)?;
            }
            let namespace = File::open("/proc/thread-self/ns/mnt")?;
            Ok(Assembled {
                root,
                _namespace: namespace.into(),
            })
        })?;
        match worker.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn show(root: &OwnedFd, host: &File, part: &Part) -> io::Result<()> {
    let target = match crate::beneath::find(root, &part.target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        outcome => outcome?,
    };
    let tree = mount::copy_detached(host, &part.source, true)?;
    if part.read_only {
        mount::change(&tree, mount::READ_ONLY, 0, true)?;
    }
    // A file cannot be shown on a directory, nor the other way.
    if crate::beneath::is_dir(&tree)? == crate::beneath::is_dir(&target)? {
        mount::attach(&tree, &target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_tree_shows_its_parts_and_nobody_else_sees_the_mounts() {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["low", "low/data", "upper", "work", "volume"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("volume/file"), "in the volume").unwrap();
        let root = crate::overlay::mount_detached(crate::overlay::Layers {
            lower: &[path("low")],
            upper: Some((&path("upper"), &path("work"))),
            options: &[],
        })
        .unwrap();
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let part = Part {
            source: path("volume"),
            target: PathBuf::from("/data"),
            read_only: true,
        };
        let assembled = assemble(root, &[part]).unwrap();
        let inside = PathBuf::from(format!("/proc/self/fd/{}", assembled.as_fd().as_raw_fd()));
        assert_eq!(fs::read_to_string(inside.join("data/file")).unwrap(), "in the volume");
        assert!(fs::write(inside.join("data/file"), "").is_err(), "it is read-only");
        let seen = crate::beneath::open_dir(&assembled, std::path::Path::new("/data")).unwrap();
        assert!(!crate::copy_tree::is_empty(&seen).unwrap());
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }
}
