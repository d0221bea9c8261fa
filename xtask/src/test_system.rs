//! `cargo xtask test-system-containers`: a Debian with systemd and sshd, made from Debian's
//! own packages, as a container. Making it takes minutes, so the other tests have busybox
//! as an init.

use crate::process::{cargo, run};
use crate::{packages, programs, workspace};
use anyhow::{Result, bail};
use std::fs;
use std::path::PathBuf;

const RELEASE: &str = "bookworm";
const INCLUDED: &str = "systemd-sysv,openssh-server,dbus,procps";

/// Beyond what all tests need.
const PACKAGES: &[packages::Package] = &[packages::package(
    "mmdebstrap",
    "mmdebstrap",
    "makes the Debian that boots in a container",
)];

pub(crate) fn run_system_containers() -> Result<()> {
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    let root = debian()?;
    programs::build_runtime_for_tests()?;
    let mut test = cargo(&["test", "-p", "gantry", "--test", "users", "debian", "--", "--nocapture"]);
    run(test.env("GANTRY_DEBIAN_ROOT", root))
}

/// A tar with the root file system of a Debian that boots, made once.
pub(crate) fn debian() -> Result<PathBuf> {
    packages::install(PACKAGES)?;
    let folder = workspace::root().join("target/peers");
    fs::create_dir_all(&folder)?;
    let root = folder.join(format!("{RELEASE}-systemd.tar"));
    if !root.exists() {
        // Under another name first: a tar that is there is whole.
        let begun = folder.join(format!("{RELEASE}-systemd.new.tar"));
        let mut make = packages::mmdebstrap();
        make.args(["--variant=minbase", &format!("--include={INCLUDED}"), RELEASE]);
        run(make.arg(&begun))?;
        fs::rename(&begun, &root)?;
    }
    Ok(root)
}
