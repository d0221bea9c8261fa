//! The system packages that building and testing need: one list, each with what
//! it is for. As root the missing ones are installed and named; otherwise the
//! line to type is printed.

use crate::process::{self, command, run};
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Package {
    /// Debian's and Ubuntu's name.
    pub(crate) name: &'static str,
    /// A program or file that shows it is there.
    provides: &'static str,
    purpose: &'static str,
}

pub(crate) const fn package(name: &'static str, provides: &'static str, purpose: &'static str) -> Package {
    Package {
        name,
        provides,
        purpose,
    }
}

/// Makes a root filesystem of Debian's packages. A mirror that stands still has lists beyond
/// their time, which is no harm where the result is only measured or booted in a test.
pub(crate) fn mmdebstrap() -> Command {
    let mut command = command("mmdebstrap");
    command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
    command
}

/// To build and run the server.
pub(crate) const TO_RUN: &[Package] = &[
    package("gcc", "cc", "compiles SQLite, zstd and ring"),
    package(
        "libc6-dev",
        "/usr/include/stdlib.h",
        "C headers, and the static C library of gantry-runtime",
    ),
    package("npm", "npm", "brings xterm.js, the panel's terminal"),
    package("nftables", "nft", "lays down the firewall table of published ports"),
];

/// Beyond those, to test.
pub(crate) const TO_TEST: &[Package] = &[
    package("chromium", "chromium", "the browser of the panel's tests"),
    package("chromium-driver", "chromedriver", "drives that browser"),
    package(
        "busybox-static",
        "/usr/share/doc/busybox-static",
        "what the test images are made of",
    ),
    package("iproute2", "ip", "looks at devices and namespaces from outside"),
    package("attr", "setfattr", "gives files attributes that archives carry"),
    package("libcap2-bin", "setcap", "gives files capabilities that archives carry"),
    package("uidmap", "newuidmap", "gives an ordinary user's server its ids"),
    package("passt", "pasta", "gives that server its way out"),
    package("openssl", "openssl", "makes the certificate of a registry in a test"),
    package(
        "qemu-system-x86",
        "qemu-system-x86_64",
        "boots another kernel, on a pure v2 tree of control groups",
    ),
    package("e2fsprogs", "mke2fs", "makes that machine's disk"),
    package(
        "btrfs-progs",
        "mkfs.btrfs",
        "makes the disk that containers are snapshots on",
    ),
    package("bzip2", "bzip2", "packs archives that builds unpack"),
    package("xz-utils", "xz", "packs archives that builds unpack"),
    package("zstd", "zstd", "packs archives that builds unpack"),
];

/// Beyond those, to test builds.
pub(crate) const TO_TEST_BUILDS: &[Package] = &[
    package("buildah", "buildah", "builds the same Dockerfiles, to compare"),
    package(
        "mmdebstrap",
        "mmdebstrap",
        "makes the distributions that two of them stand on",
    ),
];

/// Beyond the first, to measure.
pub(crate) const TO_BENCH: &[Package] = &[
    package(
        "busybox-static",
        "/usr/share/doc/busybox-static",
        "what the measured containers run",
    ),
    package("iproute2", "ip", "raises loopback in a network namespace apart"),
];

/// Beyond those, to measure pulls.
pub(crate) const TO_BENCH_PULLS: &[Package] = &[
    package("mmdebstrap", "mmdebstrap", "makes the root filesystem that is pulled"),
    package("skopeo", "skopeo", "fills the registry, and pulls beside us"),
    package("umoci", "umoci", "unpacks what skopeo pulled"),
    package("podman", "podman", "pulls beside us"),
];

/// Other tools that images travel to and from.
pub(crate) const IMAGE_PEERS: &[Package] = &[
    package("skopeo", "skopeo", "copies images, and tells their digests"),
    package("umoci", "umoci", "makes images"),
    package("buildah", "buildah", "makes images"),
    package("podman", "podman", "makes and runs images"),
];

/// Packages that start a service or change the firewall when installed: they
/// are unpacked below the target folder instead.
pub(crate) const UNPACKED: &[Package] = &[
    package(
        "docker-registry",
        "usr/bin/docker-registry",
        "the registry that tests pull from",
    ),
    package(
        "docker.io",
        "usr/bin/docker",
        "the command line that tests drive the Docker door with",
    ),
];

pub(crate) fn install(packages: &[Package]) -> Result<()> {
    let present = |p: &&Package| {
        if p.provides.starts_with('/') {
            Path::new(p.provides).exists()
        } else {
            process::exists(p.provides)
        }
    };
    let missing: Vec<&Package> = packages.iter().filter(|p| !present(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing
        .iter()
        .map(|p| format!("  {:<18} {}", p.name, p.purpose))
        .collect();
    eprintln!("Missing system packages:\n{}", list.join("\n"));
    apt_install(&missing.iter().map(|p| p.name).collect::<Vec<_>>())
}

/// Installs packages by name, or says which line would.
pub(crate) fn apt_install(names: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        names.join(" ")
    );
    if !is_root() || std::env::var_os("XTASK_NO_INSTALL").is_some() || !process::exists("apt-get") {
        bail!("install them and try again:\n  {line}");
    }
    eprintln!("Installing them: {line}");
    run(command("apt-get").args(["-qq", "update"]))?;
    let mut install = command("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "install", "-y", "--no-install-recommends"])
        .args(names);
    run(&mut install)
}

/// Unpacks `package` below the target folder, once, and gives the path of its program.
pub(crate) fn unpack(package: &Package) -> Result<PathBuf> {
    let folder = unpacked(package);
    let program = folder.join(package.provides);
    if !program.exists() {
        unpack_into(package.name, package.purpose, &folder)?;
    }
    Ok(program)
}

/// Downloads the package `name` and unpacks it as `folder`.
pub(crate) fn unpack_into(name: &str, purpose: &str, folder: &Path) -> Result<()> {
    let downloads = workspace::target().join("peers/downloads");
    std::fs::create_dir_all(&downloads)?;
    eprintln!("Unpacking {name}: {purpose}");
    let download = || {
        run(command("apt-get")
            .args(["-qq", "download", name])
            .current_dir(&downloads))
    };
    if download().is_err() {
        run(command("apt-get").args(["-qq", "update"]))?;
        download()?;
    }
    let start = format!("{name}_");
    let file = std::fs::read_dir(&downloads)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&start))
        })
        .with_context(|| format!("apt-get left no package file of {name}"))?;
    // Unpacked under another name and renamed when whole, so that what is seen is complete.
    let new = folder.with_extension("new");
    let _ = std::fs::remove_dir_all(&new);
    run(command("dpkg-deb").arg("-x").arg(&file).arg(&new))?;
    std::fs::rename(&new, folder)?;
    Ok(())
}

/// Where [`unpack`] puts it.
pub(crate) fn unpacked(package: &Package) -> PathBuf {
    workspace::target().join("peers").join(package.name)
}

pub(crate) fn is_root() -> bool {
    process::output(command("id").arg("-u")).is_some_and(|uid| uid == "0")
}
