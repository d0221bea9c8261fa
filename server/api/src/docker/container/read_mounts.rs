//! Mounts, in the three forms that a request has for them: `Binds`, `Mounts`
//! and `Tmpfs`.

use super::super::problem::Failure;
use super::super::query::pairs;
use super::read::Request;
use bollard_stubs::models::{
    HostConfig, Mount as MountBody, MountBindOptions, MountBindOptionsPropagationEnum, MountType,
};
use model::mount::{Mount, Recursion, Source};
use std::collections::HashMap;

/// Everyone writes, and removes only their own: what clients expect of a tmpfs.
const TMPFS_MODE: u32 = 0o1777;

pub(super) fn mounts(host: &HostConfig, request: &mut Request) -> Result<(), Failure> {
    if host
        .volume_driver
        .as_deref()
        .is_some_and(|driver| !matches!(driver, "" | "local"))
    {
        return Err(Failure::unsupported("HostConfig.VolumeDriver"));
    }
    request.volumes_from = host.volumes_from.clone().unwrap_or_default();
    for bind in host.binds.iter().flatten() {
        let mount = Mount::parse(bind).map_err(|error| Failure::invalid(format!("invalid mount config: {error}")))?;
        request.container.mounts.push(mount);
    }
    for body in host.mounts.iter().flatten() {
        read(body, request)?;
    }
    for (target, options) in tmpfs_in_order(host.tmpfs.as_ref()) {
        request.container.mounts.push(tmpfs(target, options)?);
    }
    let anonymous = std::mem::take(&mut request.container.anonymous_volumes);
    for target in anonymous {
        // What is mounted by name needs no volume without one.
        if request.container.mounts.iter().all(|mount| mount.target != target) {
            request.container.anonymous_volumes.push(target);
        }
    }
    Ok(())
}

fn tmpfs_in_order(map: Option<&HashMap<String, String>>) -> Vec<(&str, &str)> {
    let mut all: Vec<(&str, &str)> = map
        .into_iter()
        .flatten()
        .map(|(target, options)| (target.as_str(), options.as_str()))
        .collect();
    all.sort_unstable();
    all
}

fn tmpfs(target: &str, options: &str) -> Result<Mount, Failure> {
    let (mut size_bytes, mut mode, mut rest, mut read_only) = (None, None, Vec::new(), false);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if !value.ends_with('%') => {
                let bytes = model::size::parse(value)
                    .map_err(|error| Failure::invalid(format!("Tmpfs `{target}`: {error}")))?;
                size_bytes = Some(bytes);
            }
            Some(("mode", value)) => {
                let bits = u32::from_str_radix(value, 8)
                    .map_err(|_| Failure::invalid(format!("Tmpfs `{target}`: mode `{value}` is not octal")))?;
                mode = Some(bits);
            }
            _ if option == "ro" => read_only = true,
            _ if option == "rw" => {}
            _ => rest.push(option.to_owned()),
        }
    }
    checked(Mount {
        source: Source::Tmpfs {
            size_bytes,
            mode: mode.or(Some(TMPFS_MODE)),
            options: rest,
        },
        target: target.to_owned(),
        read_only,
    })
}

fn read(body: &MountBody, request: &mut Request) -> Result<(), Failure> {
    let MountBody {
        target,
        source,
        typ,
        read_only,
        // A hint of another operating system.
        consistency: _,
        bind_options,
        volume_options,
        image_options: _,
        tmpfs_options,
    } = body;
    let target = target.clone().unwrap_or_default();
    let source = source.clone().unwrap_or_default();
    let read_only = read_only.unwrap_or(false);
    let unsupported = |field: &str| Err(Failure::unsupported(&format!("HostConfig.Mounts.{field}")));
    foreign_options(body)?;
    let source = match typ {
        Some(MountType::BIND) => {
            let mut propagation = None;
            let mut create = false;
            let mut recursion = Recursion::default();
            if let Some(options) = bind_options {
                recursion = recursion_of(options, read_only)?;
                create = options.create_mountpoint.unwrap_or(false);
                propagation = options
                    .propagation
                    .filter(|word| *word != MountBindOptionsPropagationEnum::EMPTY)
                    .map(|word| word.to_string());
            }
            if !create && source.starts_with('/') && !std::path::Path::new(&source).exists() {
                return Err(Failure::invalid(format!(
                    "invalid mount config for type \"bind\": bind source path does not exist: {source}"
                )));
            }
            Source::Bind {
                path: source,
                propagation,
                create,
                recursion,
            }
        }
        Some(MountType::VOLUME) | None => {
            let mut no_copy = false;
            if let Some(options) = volume_options {
                no_copy = options.no_copy.unwrap_or(false);
                if options.subpath.as_deref().is_some_and(|path| !path.is_empty()) {
                    return unsupported("VolumeOptions.Subpath");
                }
                let foreign = options.driver_config.as_ref().is_some_and(|driver| {
                    !matches!(driver.name.as_deref(), None | Some("" | "local"))
                        || driver.options.as_ref().is_some_and(|options| !options.is_empty())
                });
                if foreign {
                    return unsupported("VolumeOptions.DriverConfig");
                }
                let labels = pairs(options.labels.clone());
                if !labels.is_empty() && !source.is_empty() {
                    request.labelled_volumes.push((source.clone(), labels));
                }
            }
            if source.is_empty() && !read_only && !no_copy {
                request.container.anonymous_volumes.push(target);
                return Ok(());
            }
            Source::Volume { name: source, no_copy }
        }
        Some(MountType::TMPFS) => {
            let options = tmpfs_options.clone().unwrap_or_default();
            let below_zero = |name: &str, number: i64| {
                Failure::invalid(format!(
                    "HostConfig.Mounts.TmpfsOptions.{name}: {number} is not possible"
                ))
            };
            let size_bytes = options.size_bytes.unwrap_or(0);
            let mode = options.mode.unwrap_or(0);
            let size_bytes = u64::try_from(size_bytes).map_err(|_| below_zero("SizeBytes", size_bytes))?;
            let mode = u32::try_from(mode).map_err(|_| below_zero("Mode", mode))?;
            Source::Tmpfs {
                size_bytes: Some(size_bytes).filter(|bytes| *bytes > 0),
                mode: Some(mode).filter(|mode| *mode > 0).or(Some(TMPFS_MODE)),
                options: options
                    .options
                    .unwrap_or_default()
                    .into_iter()
                    .map(|words| words.join("="))
                    .collect(),
            }
        }
        Some(other) => return unsupported(&format!("Type {other}")),
    };
    request.container.mounts.push(checked(Mount {
        source,
        target,
        read_only,
    })?);
    Ok(())
}

/// dockerd looks at the two about reading only where the mount is read-only.
fn recursion_of(options: &MountBindOptions, read_only: bool) -> Result<Recursion, Failure> {
    let writable = read_only && options.read_only_non_recursive == Some(true);
    let forced = read_only && options.read_only_force_recursive == Some(true);
    match (options.non_recursive == Some(true), writable, forced) {
        (_, true, true) => Err(Failure::invalid(
            "mount options conflict: BindOptions.ReadOnlyNonRecursive and BindOptions.ReadOnlyForceRecursive"
                .to_owned(),
        )),
        (true, _, _) => Ok(Recursion::Disabled),
        (false, true, false) => Ok(Recursion::Writable),
        (false, false, true) => Ok(Recursion::ReadOnly),
        (false, false, false) => Ok(Recursion::Enabled),
    }
}

/// Options of another type of mount, which would mean nothing.
fn foreign_options(body: &MountBody) -> Result<(), Failure> {
    let kind = body.typ.unwrap_or(MountType::VOLUME);
    let has_source = body.source.as_deref().is_some_and(|source| !source.is_empty());
    let given = [
        ("BindOptions", MountType::BIND, body.bind_options.is_some()),
        ("VolumeOptions", MountType::VOLUME, body.volume_options.is_some()),
        ("TmpfsOptions", MountType::TMPFS, body.tmpfs_options.is_some()),
        ("ImageOptions", MountType::IMAGE, body.image_options.is_some()),
    ];
    let foreign = given.into_iter().find(|(_, of, is_given)| *is_given && *of != kind);
    let field = match foreign {
        Some((field, ..)) => field,
        None if kind == MountType::TMPFS && has_source => "Source",
        None => return Ok(()),
    };
    Err(Failure::invalid(format!(
        "invalid mount config for type \"{kind}\": field {field} must not be specified"
    )))
}

fn checked(mount: Mount) -> Result<Mount, Failure> {
    // A volume without a name gets one from the engine.
    if matches!(&mount.source, Source::Volume { name, .. } if name.is_empty()) {
        return Ok(mount);
    }
    mount
        .check()
        .map_err(|error| Failure::invalid(format!("invalid mount config: {error}")))?;
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_has_its_options_read() {
        let mount = tmpfs("/run", "size=64m,mode=1777,noexec,ro").expect("valid");
        assert!(mount.read_only);
        assert_eq!(
            mount.source,
            Source::Tmpfs {
                size_bytes: Some(64 << 20),
                mode: Some(0o1777),
                options: vec!["noexec".to_owned()],
            }
        );
        assert!(tmpfs("run", "").is_err());
    }

    #[test]
    fn options_of_another_type_of_mount_are_refused() {
        let read = |json: serde_json::Value| foreign_options(&serde_json::from_value(json).expect("a mount"));
        let json = |kind: &str, field: &str| serde_json::json!({ "Type": kind, "Target": "/t", field: {} });
        for (kind, own) in [
            ("bind", "BindOptions"),
            ("volume", "VolumeOptions"),
            ("tmpfs", "TmpfsOptions"),
        ] {
            assert!(read(json(kind, own)).is_ok(), "{kind}");
            for field in ["BindOptions", "VolumeOptions", "TmpfsOptions"] {
                assert_eq!(read(json(kind, field)).is_ok(), field == own, "{kind} {field}");
            }
        }
        assert!(read(serde_json::json!({ "Type": "tmpfs", "Target": "/t", "Source": "/s" })).is_err());
    }
}
