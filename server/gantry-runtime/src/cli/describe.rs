//! `state`, `features`, `spec` and the version: what is, and what could be.

use super::arguments::{Argument, Arguments, Global, only_id, unknown};
use super::state_file::StateFile;
use anyhow::{Context as _, Result, bail};
use bundle::config_file::OCI_VERSION;
use serde_json::{Value, json};
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
        OCI_VERSION
    );
    Ok(())
}

/// runtime-spec, features.md
pub(super) fn features(mut arguments: Arguments) -> Result<()> {
    match arguments.next()? {
        None => {}
        Some(Argument::Switch(name)) => return unknown(&name),
        Some(Argument::Operand(text)) => bail!("`{text}` is one operand too many"),
    }
    let features = runtime::features(OCI_VERSION, &bundle::ALL_CAPABILITIES);
    println!("{features:#}");
    Ok(())
}

/// Writes a `config.json` to begin from.
pub(super) fn spec(mut arguments: Arguments) -> Result<()> {
    let mut dir = PathBuf::from(".");
    let mut rootless = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "b" | "bundle") => dir = arguments.value()?.into(),
            Argument::Switch(name) if name == "rootless" => rootless = arguments.flag()?,
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
    let masked: Vec<String> = bundle::defaults::MASKED_PATHS
        .map(str::to_owned)
        .into_iter()
        .chain(sys::host::thermal_records())
        .collect();
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut config = json!({
        "ociVersion": OCI_VERSION,
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
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            ],
            // The usual ones are allowed all the same.
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": masked,
            "readonlyPaths": bundle::defaults::READONLY_PATHS,
        },
    });
    if is_unified()
        && let Some(namespaces) = config["linux"]["namespaces"].as_array_mut()
    {
        namespaces.push(json!({"type": "cgroup"}));
    }
    if rootless {
        make_rootless(&mut config);
    }
    fs::write(&path, format!("{config:#}\n")).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Whether the host has the unified hierarchy alone: on v1 other runtimes' `spec` asks for no
/// cgroup namespace, and tools that change the file expect none.
fn is_unified() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// For users who have nothing but their own id: it is the container's root, and what
/// needs more is left out.
fn make_rootless(config: &mut Value) {
    let map = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    let (user, group) = sys::user::own_ids();
    let linux = &mut config["linux"];
    linux["uidMappings"] = map(user);
    linux["gidMappings"] = map(group);
    if let Some(namespaces) = linux["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({"type": "user"}));
    }
    for mount in config["mounts"].as_array_mut().into_iter().flatten() {
        if mount["type"] == "sysfs" {
            // The host's network may not be shown anew.
            mount["type"] = "none".into();
            mount["source"] = "/sys".into();
            mount["options"] = json!(["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option.as_str().is_none_or(|text| !text.starts_with("gid=")));
        }
    }
}
