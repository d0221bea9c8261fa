//! Podman, which has no server: each command keeps what it needs below one folder.

use super::{CONMON, LIBRARIES, PODMAN, Peer, with_libraries};
use crate::packages;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// What its command line begins with, for a shell.
pub(crate) fn command_line(dir: &Path, run_dir: &Path, runtime: &Path) -> Result<(Peer, Vec<String>)> {
    let conmon = packages::unpack(&CONMON)?;
    let podman = with_libraries(&PODMAN, &LIBRARIES)?;
    fs::create_dir_all(dir)?;
    // It asks this before it takes an image from anywhere.
    let policy = dir.join("policy.json");
    fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)?;
    let below = |parent: &Path, name: &str| parent.join(name).display().to_string();
    let switches = [
        ("--root", below(dir, "podman")),
        ("--runroot", below(run_dir, "podman")),
        ("--tmpdir", below(run_dir, "libpod")),
        ("--network-config-dir", below(dir, "networks")),
        ("--conmon", conmon.display().to_string()),
        ("--runtime", runtime.display().to_string()),
        // No overlay on an overlay, no systemd, no journal.
        ("--storage-driver", "vfs".to_owned()),
        ("--cgroup-manager", "cgroupfs".to_owned()),
        ("--events-backend", "file".to_owned()),
    ];
    let switches = switches.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    Ok((podman, switches.collect()))
}
