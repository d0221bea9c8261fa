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
            if let Some(options) = volume_options {
                if options.no_copy == Some(true) {
                    return unsupported("VolumeOptions.NoCopy");
                }
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
            if source.is_empty() {
                if read_only {
                    return unsupported("ReadOnly of a volume without a name");
                }
                request.container.anonymous_volumes.push(target);
                return Ok(());
            }
            Source::Volume { name: source }
        }
        Some(MountType::TMPFS) => {
            let options = tmpfs_options.clone().unwrap_or_default();
            Source::Tmpfs {
                size_bytes: options
                    .size_bytes
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .filter(|bytes| *bytes > 0),
                mode: options
                    .mode
                    .and_then(|mode| u32::try_from(mode).ok())
                    .filter(|mode| *mode > 0)
                    .or(Some(TMPFS_MODE)),
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

fn checked(mount: Mount) -> Result<Mount, Failure> {
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
}
