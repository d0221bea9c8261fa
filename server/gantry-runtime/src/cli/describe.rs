//! `state`, `features`, `spec` and the version: what is, and what could be.

use super::arguments::{Argument, Arguments, Global, only_id, unknown};
use super::state_file::StateFile;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

pub(super) fn state(global: &Global, mut arguments: Arguments) -> Result<()> {
    let state = StateFile::load(global, &only_id(&mut arguments)?)?;
    println!("{:#}", state.to_oci(state.status(global)?));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub(super) fn version() -> Result<()> {
    println!(
        "gantry-runtime version {}\nspec: {}",
        env!("CARGO_PKG_VERSION"),
        bundle::config_file::OCI_VERSION
    );
    Ok(())
}

/// runtime-spec, features.md
#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub(super) fn features() -> Result<()> {
    let capabilities: Vec<String> = bundle::ALL_CAPABILITIES
        .iter()
        .map(|name| format!("CAP_{name}"))
        .collect();
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": [
            "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "noatime", "nodev",
            "nodiratime", "noexec", "norelatime", "nostrictatime", "nosuid", "nosymfollow", "private", "ratime",
            "rbind", "rdev", "rdiratime", "relatime", "rexec", "rnoatime", "rnodev", "rnodiratime", "rnoexec",
            "rnosuid", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid",
            "runbindable", "rw", "shared", "slave", "strictatime", "suid", "symfollow", "sync", "tmpcopyup",
            "unbindable",
        ],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "uts"],
            "capabilities": capabilities,
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": false},
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                    "SCMP_CMP_NE",
                ],
            },
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
        },
    });
    println!("{features:#}");
    Ok(())
}

/// Writes a `config.json` to begin from.
pub(super) fn spec(mut arguments: Arguments) -> Result<()> {
    let mut dir = PathBuf::from(".");
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "b" | "bundle") => dir = arguments.value()?.into(),
            Argument::Switch(name) => return unknown(&name),
            Argument::Operand(text) => bail!("`{text}` is one operand too many"),
        }
    }
    let path = dir.join("config.json");
    if path.exists() {
        bail!("`{}` exists already; remove it first", path.display());
    }
    let mut mounts = bundle::defaults::mounts(false, false);
    mounts.extend(bundle::defaults::ipc_mounts(bundle::defaults::SHM_BYTES));
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let config = json!({
        "ociVersion": "1.2.0",
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [bundle::defaults::PATH, "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "gantry",
        "mounts": mounts,
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"},
            ],
            "maskedPaths": bundle::defaults::MASKED_PATHS,
            "readonlyPaths": bundle::defaults::READONLY_PATHS,
        },
    });
    fs::write(&path, format!("{config:#}\n")).with_context(|| format!("cannot write `{}`", path.display()))
}
