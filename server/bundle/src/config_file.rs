//! Reading a `config.json` that anybody may have written. runtime-spec, config.md

use crate::ALL_CAPABILITIES;
use oci_spec::runtime::{Process, Spec};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The version of the specification that is followed, and told.
pub const OCI_VERSION: &str = "1.3.0";

/// What a file says, and what of it had to be left out.
#[derive(Debug)]
pub struct Config {
    pub spec: Spec,
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("`{path}` is not as the specification has it: {source}")]
    Form { path: String, source: serde_json::Error },
    #[error("ociVersion `{0}` is no version such as `{OCI_VERSION}`")]
    VersionForm(String),
    #[error("ociVersion `{0}` is another major version; this runtime follows {OCI_VERSION}")]
    VersionMajor(String),
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// When it is not there, is no JSON, has a value that its property cannot have, or
/// follows another specification. Unknown properties mean nothing.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
        path: path.display().to_string(),
        source,
    })?;
    parse(path, bytes)
}

/// [`read`] of what was read already.
pub fn parse(path: &Path, bytes: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    let form = |source| ConfigError::Form {
        path: path.display().to_string(),
        source,
    };
    let mut config: Value = serde_json::from_slice(bytes.as_ref()).map_err(form)?;
    drop(bytes);
    let version = config["ociVersion"].as_str().unwrap_or_default();
    check_version(version)?;
    let mut warnings = Vec::new();
    drop_unknown_capabilities(&mut config, &mut warnings);
    settle_names(&mut config);
    let spec = serde_json::from_value(config).map_err(form)?;
    Ok(Config { spec, warnings })
}

/// A `process` alone, as an exec is given it in a file; read as that of a `config.json`.
pub fn process(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(Process, Vec<String>), ConfigError> {
    let form = |source| ConfigError::Form {
        path: path.display().to_string(),
        source,
    };
    let process: Value = serde_json::from_slice(bytes.as_ref()).map_err(form)?;
    let mut config = serde_json::json!({ "process": process });
    let mut warnings = Vec::new();
    drop_unknown_capabilities(&mut config, &mut warnings);
    settle_names(&mut config);
    let process = serde_json::from_value(config["process"].take()).map_err(form)?;
    Ok((process, warnings))
}

/// semver.org, "Backus–Naur Form Grammar", as far as it matters here.
fn check_version(version: &str) -> Result<(), ConfigError> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let number = |part: &&str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits && (part.len() == 1 || !part.starts_with('0'))
    };
    if parts.len() != 3 || !parts.iter().all(number) {
        return Err(ConfigError::VersionForm(version.to_owned()));
    }
    if parts[0] != "1" {
        return Err(ConfigError::VersionMajor(version.to_owned()));
    }
    Ok(())
}

/// Names of newer kernels are none of this one's: the process does without.
fn drop_unknown_capabilities(config: &mut Value, warnings: &mut Vec<String>) {
    let Some(sets) = config
        .pointer_mut("/process/capabilities")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let mut unknown = BTreeSet::new();
    for names in sets.values_mut().filter_map(Value::as_array_mut) {
        names.retain(|name| {
            let plain = name.as_str().unwrap_or_default();
            let known = ALL_CAPABILITIES.contains(&plain.strip_prefix("CAP_").unwrap_or(plain));
            if !known {
                unknown.insert(plain.to_owned());
            }
            known
        });
    }
    if !unknown.is_empty() {
        let names = unknown.into_iter().collect::<Vec<_>>().join(" ");
        // The wording is runc's, which people and test suites search for.
        warnings.push(format!("ignoring unknown or unavailable capabilities: [{names}]"));
    }
}

/// What the parser knows by another name, or wants where the specification does not.
fn settle_names(config: &mut Value) {
    // Other runtimes take a process without a user for root's, and tools count on it.
    if let Some(process) = config.get_mut("process").and_then(Value::as_object_mut) {
        let user = process.entry("user").or_insert(Value::Null);
        if user.is_null() {
            *user = serde_json::json!({"uid": 0, "gid": 0});
        }
    }
    let flags = config
        .pointer_mut("/process/scheduler/flags")
        .and_then(Value::as_array_mut);
    for flag in flags.into_iter().flatten() {
        match flag.as_str() {
            Some("SCHED_FLAG_RESET_ON_FORK") => *flag = "SCHED_RESET_ON_FORK".into(),
            Some("SCHED_FLAG_DL_OVERRUN") => *flag = "SCHED_FLAG_D_L_OVERRUN".into(),
            _ => {}
        }
    }
    let devices = config.pointer_mut("/linux/devices").and_then(Value::as_array_mut);
    for device in devices.into_iter().flatten().filter(|device| device["type"] == "p") {
        for number in ["major", "minor"] {
            if device[number].is_null() {
                device[number] = 0.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_value(config: &Value) -> Result<Config, ConfigError> {
        let dir = std::env::temp_dir().join(format!("gantry-config-{}-{:p}", std::process::id(), config));
        std::fs::write(&dir, config.to_string()).unwrap();
        let outcome = read(&dir);
        std::fs::remove_file(dir).unwrap();
        outcome
    }

    #[test]
    fn versions_of_other_specifications_are_refused() {
        for good in ["1.0.0", "1.2.1-dev", "1.3.0+build"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["", "1", "1.2", "2.0.0", "v1.0.0", "1.02.0", "1.0.x", "0.9.0"] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_names_are_passed_over_and_wrong_values_are_not() {
        let config = json!({
            "ociVersion": "1.2.0", "future": {"x": 1},
            "process": {
                "cwd": "/", "user": {"uid": 0, "gid": 0},
                "capabilities": {"bounding": ["CAP_KILL", "CAP_FLY"], "effective": ["CAP_FLY"]},
                "scheduler": {"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
            },
            "linux": {"devices": [{"path": "/dev/pipe", "type": "p"}]},
        });
        let read = read_value(&config).unwrap();
        assert_eq!(
            read.warnings,
            ["ignoring unknown or unavailable capabilities: [CAP_FLY]"]
        );
        let without_user = json!({"ociVersion": "1.2.0", "process": {"cwd": "/", "args": ["true"]}});
        let process = read_value(&without_user).unwrap().spec.process().clone();
        assert_eq!(process.map(|process| process.user().uid()), Some(0));
        let wrong = json!({"ociVersion": "1.2.0", "linux": {"namespaces": [{"type": "flat"}]}});
        assert!(matches!(read_value(&wrong), Err(ConfigError::Form { .. })));
    }
}
