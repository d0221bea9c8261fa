//! The mounts of a container: the defaults, the engine's files, then its own.

use crate::{BundleError, Input, Users, defaults, system};
use model::container::Spec;
use model::container::spec::{Device, NamespaceMode};
use model::mount::{Mount, Recursion, Source};
use serde_json::{Value, json};

pub(crate) fn mounts(spec: &Spec, input: &Input) -> Result<Vec<Value>, BundleError> {
    let taken = |target: &str| spec.mounts.iter().any(|mount| clean(&mount.target) == target);
    // A system divides its part of the control groups further.
    let mut all = defaults::mounts(spec.security.privileged, spec.security.privileged || spec.system);
    all.extend(ipc(spec));
    if spec.system {
        all.extend(system::mounts());
    }
    // A mount of one's own at the same place takes that of the engine.
    all.retain(|mount| !mount["destination"].as_str().is_some_and(taken));
    let mut own: Vec<&Mount> = spec.mounts.iter().collect();
    // What lies inside another comes after it.
    own.sort_by_key(|mount| clean(&mount.target).matches('/').count());
    // The image's `/etc/resolv.conf` may be a link into a directory that is mounted here,
    // such as `/run`: the file is made in that. A mount at `/etc` itself hides the files.
    let (in_etc, before): (Vec<&Mount>, Vec<&Mount>) = own.into_iter().partition(|mount| {
        let target = clean(&mount.target);
        target == "/etc" || target.starts_with("/etc/")
    });
    for mount in before {
        all.push(own_mount(mount, input)?);
    }
    for name in ["resolv.conf", "hostname", "hosts"] {
        let target = format!("/etc/{name}");
        if !taken(&target) {
            all.push(json!({
                "destination": target,
                "type": "bind",
                "source": input.etc_dir.join(name),
                "options": mapped(input, ["bind", "rprivate"].into()),
            }));
        }
    }
    for mount in in_etc {
        all.push(own_mount(mount, input)?);
    }
    if input.binds_devices {
        all.extend(spec.devices.iter().map(device));
    }
    Ok(all)
}

/// A device for users of a user namespace, who may make none: the host's, shown at its
/// place.
fn device(device: &Device) -> Value {
    json!({
        "destination": clean(&device.container_path),
        "type": "bind",
        "source": device.host_path,
        "options": ["bind", "rprivate", "nosuid", "noexec"],
    })
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
    // Without it what is mounted below a read-only source could be written to.
    let below = |recursion: Recursion| match recursion {
        Recursion::Enabled | Recursion::ReadOnly if mount.read_only => Some("rro"),
        _ => None,
    };
    let bind = |source: &dyn AsRef<std::path::Path>, options: Vec<&str>| {
        json!({
            "destination": clean(&mount.target),
            "type": "bind",
            "source": source.as_ref(),
            "options": options,
        })
    };
    Ok(match &mount.source {
        Source::Bind {
            path,
            propagation,
            recursion,
            ..
        } => {
            let kind = if *recursion == Recursion::Disabled {
                "bind"
            } else {
                "rbind"
            };
            let mut options = vec![kind, writable];
            options.extend(below(*recursion));
            options.push(propagation.as_deref().unwrap_or("rprivate"));
            bind(path, options)
        }
        Source::Volume { name, .. } => {
            let dir = input.volume_dirs.iter().find(|(known, _)| known == name);
            let (_, dir) = dir.ok_or_else(|| BundleError::Volume(name.clone()))?;
            let mut options = vec!["rbind", writable];
            options.extend(below(Recursion::Enabled));
            options.push("rprivate");
            bind(dir, mapped(input, options))
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

/// What is the engine's own is seen through the container's ids, where it has some. Paths
/// of the host are not: else root inside would write there as root.
fn mapped<'o>(input: &Input, mut options: Vec<&'o str>) -> Vec<&'o str> {
    if input.users.is_some_and(|Users { mapped, .. }| mapped) {
        options.push("idmap");
    }
    options
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
