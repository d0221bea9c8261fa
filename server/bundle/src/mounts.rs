//! The mounts of a container: the defaults, the engine's files, then its own.

use crate::{BundleError, Input, defaults};
use model::container::Spec;
use model::container::spec::NamespaceMode;
use model::mount::{Mount, Source};
use serde_json::{Value, json};

pub(crate) fn mounts(spec: &Spec, input: &Input) -> Result<Vec<Value>, BundleError> {
    let taken = |target: &str| spec.mounts.iter().any(|mount| clean(&mount.target) == target);
    let mut all = defaults::mounts(spec.security.privileged);
    all.extend(ipc(spec));
    // A mount of one's own at the same place takes that of the engine.
    all.retain(|mount| !mount["destination"].as_str().is_some_and(taken));
    for name in ["resolv.conf", "hostname", "hosts"] {
        let target = format!("/etc/{name}");
        if !taken(&target) {
            all.push(json!({
                "destination": target,
                "type": "bind",
                "source": input.etc_dir.join(name),
                "options": ["bind", "rprivate"],
            }));
        }
    }
    let mut own: Vec<&Mount> = spec.mounts.iter().collect();
    // What lies inside another comes after it.
    own.sort_by_key(|mount| clean(&mount.target).matches('/').count());
    for mount in own {
        all.push(own_mount(mount, input)?);
    }
    Ok(all)
}

/// Shared memory and message queues: the container's own, or the host's with its
/// IPC namespace.
fn ipc(spec: &Spec) -> Vec<Value> {
    if spec.security.ipc == NamespaceMode::Host {
        let bind = |path: &str| json!({ "destination": path, "type": "bind", "source": path, "options": ["rbind", "nosuid", "noexec", "nodev"] });
        return vec![bind("/dev/shm"), bind("/dev/mqueue")];
    }
    defaults::ipc_mounts(spec.shm_bytes.unwrap_or(defaults::SHM_BYTES))
}

fn own_mount(mount: &Mount, input: &Input) -> Result<Value, BundleError> {
    let writable = if mount.read_only { "ro" } else { "rw" };
    let bind = |source: &dyn AsRef<std::path::Path>, propagation: &str| {
        json!({
            "destination": clean(&mount.target),
            "type": "bind",
            "source": source.as_ref(),
            "options": ["rbind", writable, propagation],
        })
    };
    Ok(match &mount.source {
        Source::Bind { path, propagation, .. } => bind(path, propagation.as_deref().unwrap_or("rprivate")),
        Source::Volume { name } => {
            let dir = input.volume_dirs.iter().find(|(known, _)| known == name);
            let (_, dir) = dir.ok_or_else(|| BundleError::Volume(name.clone()))?;
            bind(dir, "rprivate")
        }
        Source::Tmpfs {
            size_bytes,
            mode,
            options,
        } => {
            let mut all = vec![
                "nosuid".to_owned(),
                "nodev".to_owned(),
                "noexec".to_owned(),
                writable.to_owned(),
            ];
            all.extend(size_bytes.map(|bytes| format!("size={bytes}")));
            all.extend(mode.map(|mode| format!("mode={mode:o}")));
            // A later option wins: `exec` takes `noexec` back.
            all.extend(options.iter().cloned());
            json!({ "destination": clean(&mount.target), "type": "tmpfs", "source": "tmpfs", "options": all })
        }
    })
}

/// Whether mounts of the host are to be seen in the container, or the other way
/// round: the widest any mount asks for.
pub(crate) fn root_propagation(spec: &Spec) -> Option<&'static str> {
    let asked = |words: [&str; 2]| {
        spec.mounts.iter().any(|mount| match &mount.source {
            Source::Bind { propagation, .. } => propagation.as_deref().is_some_and(|word| words.contains(&word)),
            Source::Volume { .. } | Source::Tmpfs { .. } => false,
        })
    };
    if asked(["shared", "rshared"]) {
        Some("rshared")
    } else if asked(["slave", "rslave"]) {
        Some("rslave")
    } else {
        None
    }
}

/// Without doubled, trailing and single-dot parts.
fn clean(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("/{}", parts.join("/"))
}
