//! Other engines and runtimes, which ours is compared with: Debian's packages,
//! unpacked below the target folder and never installed.

pub(crate) mod containerd;
pub(crate) mod dockerd;
pub(crate) mod podman;

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

const PODMAN: Package = package("podman", "usr/bin/podman", "an engine without a server");
const CONMON: Package = package("conmon", "usr/bin/conmon", "what podman keeps containers with");
/// What podman and conmon are linked with and a small system lacks.
const LIBRARIES: [Package; 7] = [
    package(
        "libgpgme11",
        "usr/share/doc/libgpgme11",
        "what podman checks signatures with",
    ),
    package("libassuan0", "usr/share/doc/libassuan0", "what that speaks with"),
    package(
        "libdevmapper1.02.1",
        "usr/share/doc/libdevmapper1.02.1",
        "one of podman's storages",
    ),
    package("libsubid4", "usr/share/doc/libsubid4", "podman's subordinate users"),
    package("libseccomp2", "usr/share/doc/libseccomp2", "podman's filters"),
    package("libglib2.0-0", "usr/share/doc/libglib2.0-0", "what conmon is made with"),
    package("libsystemd0", "usr/share/doc/libsystemd0", "one of conmon's logs"),
];

/// A program and what it needs to be found.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    program: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Peer {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Ok(libraries) = std::env::join_paths(&self.libraries)
            && !libraries.is_empty()
        {
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
    with_libraries(&CRUN, &[YAJL])
}

fn with_libraries(package: &Package, libraries: &[Package]) -> Result<Peer> {
    let mut peer = plain(package)?;
    for library in libraries {
        packages::unpack(library)?;
        let root = packages::unpacked(library);
        for parent in ["usr/lib", "lib"] {
            // Below there is one folder, named after the processor.
            let folders = std::fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
            peer.libraries.extend(folders.map(|folder| folder.path()));
        }
    }
    Ok(peer)
}

fn plain(package: &Package) -> Result<Peer> {
    Ok(Peer {
        program: packages::unpack(package)?,
        libraries: Vec::new(),
    })
}

/// Unpacks all of them now, so that nothing has to be downloaded later.
pub(crate) fn unpack_all() -> Result<()> {
    let programs = [&RUNC, &CRUN, &YAJL, &DOCKER, &CONTAINERD, &PODMAN, &CONMON];
    for package in programs.into_iter().chain(&LIBRARIES) {
        packages::unpack(package).with_context(|| format!("cannot get the package {}", package.name))?;
    }
    eprintln!("Peers lie in {}", workspace::target().join("peers").display());
    Ok(())
}
