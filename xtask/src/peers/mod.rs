//! Other engines and runtimes, which ours is compared with: Debian's packages,
//! unpacked below the target folder and never installed.

pub(crate) mod dockerd;

use crate::packages::{self, Package, package};
use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const RUNC: Package = package("runc", "usr/sbin/runc", "the runtime beneath Docker");
const CRUN: Package = package("crun", "usr/bin/crun", "a runtime written in C");
const YAJL: Package = package("libyajl2", "usr/share/doc/libyajl2", "what crun reads JSON with");
const DOCKER: Package = package("docker.io", "usr/sbin/dockerd", "the Docker engine");
const CONTAINERD: Package = package(
    "containerd",
    "usr/bin/containerd",
    "what the Docker engine keeps containers with",
);

/// A program and what it needs to be found.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl Peer {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Its folder, for a `PATH`.
    fn folder(&self) -> &Path {
        self.program.parent().unwrap_or(Path::new("/"))
    }
}

pub(crate) fn runc() -> Result<Peer> {
    plain(&RUNC)
}

pub(crate) fn crun() -> Result<Peer> {
    let libraries = packages::unpack(&YAJL)?;
    // Below `usr/lib` there is one folder, named after the processor.
    let libraries = libraries.ancestors().nth(3).map(|usr| usr.join("lib"));
    let libraries = libraries.context("a package has a folder `usr`")?;
    let folder = std::fs::read_dir(&libraries)?.flatten().next();
    Ok(Peer {
        program: packages::unpack(&CRUN)?,
        libraries: Some(folder.map_or(libraries, |folder| folder.path())),
    })
}

fn plain(package: &Package) -> Result<Peer> {
    Ok(Peer {
        program: packages::unpack(package)?,
        libraries: None,
    })
}

/// Unpacks all of them now, so that nothing has to be downloaded later.
pub(crate) fn unpack_all() -> Result<()> {
    for package in [&RUNC, &CRUN, &YAJL, &DOCKER, &CONTAINERD] {
        packages::unpack(package).with_context(|| format!("cannot get the package {}", package.name))?;
    }
    eprintln!("Peers lie in {}", workspace::target().join("peers").display());
    Ok(())
}
