//! The root filesystem of a container without a mount namespace of its own. It does not go
//! with the namespace, so it is detached when the container is removed.

use oci_spec::runtime::{LinuxNamespaceType, Spec};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use sys::clone::{Birth, Cloned};
use sys::{mount, namespace};

/// Where a root filesystem is attached.
#[derive(Debug, Clone)]
pub struct SharedRoot {
    /// `None` is the caller's.
    namespace: Option<PathBuf>,
    path: PathBuf,
}

impl SharedRoot {
    /// `None` for a container with a mount namespace of its own.
    pub fn of(spec: &Spec, bundle: &Path) -> Option<Self> {
        let listed = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
        let wanted = listed
            .into_iter()
            .flatten()
            .find(|wanted| wanted.typ() == LinuxNamespaceType::Mount);
        let namespace = wanted.map(|wanted| wanted.path().clone().filter(|path| !path.as_os_str().is_empty()));
        match namespace {
            Some(None) => None,
            Some(path) => Some(path),
            None => Some(None),
        }
        .map(|namespace| Self {
            namespace,
            path: bundle.join(crate::sources::root_path(spec)),
        })
    }

    /// Detaches the root filesystem with all that is mounted in it, if the mount that is
    /// there is still that of this id.
    pub fn detach(&self, mount_id: u64) -> io::Result<()> {
        self.inside(|| {
            let root = match File::open(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => opened?,
            };
            if mount::id_of(&root)? == mount_id {
                mount::detach(&root)?;
            }
            Ok(())
        })
    }

    pub(crate) fn detach_handle(&self, root: &OwnedFd) -> io::Result<()> {
        self.inside(|| mount::detach(root))
    }

    /// Does something in the mount namespace, in a process of its own: entering one changes
    /// the working directory, too.
    fn inside(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let namespace = match self.namespace.as_ref().map(File::open).transpose() {
            // Gone, and all that was mounted in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let pid = match sys::clone::clone(Birth::default())? {
            Cloned::Child => {
                let entered = namespace.map_or(Ok(()), |it| namespace::enter(it, namespace::MOUNT));
                let outcome = entered.and_then(|()| work());
                let errno = outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(5));
                sys::clone::exit_now(errno & 0xff)
            }
            Cloned::Parent { pid, .. } => pid,
        };
        match sys::children::wait_for_end(pid)? {
            sys::children::Ended::Code(0) => Ok(()),
            sys::children::Ended::Code(errno) => Err(io::Error::from_raw_os_error(errno)),
            sys::children::Ended::Signal(signal) => Err(io::Error::other(format!("signal {signal} ended it"))),
        }
    }
}
