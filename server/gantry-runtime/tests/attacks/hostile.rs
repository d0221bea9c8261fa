//! A bundle that an attacker wrote, with what the engine gives every container.

use crate::bundle::Bundle;
use model::container::spec::Security;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// Runs `script` with the engine's default rights and filter, and has the attacker's
/// program in its image.
pub(crate) fn hostile(script: &str) -> Option<Bundle> {
    let bundle = Bundle::new(script)?;
    fs::copy(attacker(), bundle.rootfs().join("bin/attacker")).unwrap();
    let security = Security::default();
    let capabilities = bundle::capabilities(&security).unwrap();

    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let filter = bundle::seccomp::for_container(&security, &release).unwrap();
    bundle.edit(|config| {
        config["process"]["noNewPrivileges"] = false.into();
        config["process"]["capabilities"] =
            json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities});
        config["linux"]["seccomp"] = filter.unwrap();
    });
    Some(bundle)
}

/// Maps the container's users to unprivileged ones of the host.
pub(crate) fn with_own_users(bundle: &Bundle) {
    const FIRST: u32 = 700_000;
    bundle.edit(|config| {
        let map = json!([{"containerID": 0, "hostID": FIRST, "size": 65536}]);
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    bundle.give_rootfs_to(FIRST);
}

/// Takes the mount at `destination` out of the configuration, so that what the image
/// has there is met.
pub(crate) fn without_mount(bundle: &Bundle, destination: &str) {
    bundle.edit(|config| {
        let below = format!("{destination}/");
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| {
            let place = mount["destination"].as_str().unwrap();
            place != destination && !place.starts_with(&below)
        });
    });
}

pub(crate) fn set_args(bundle: &Bundle, args: &[&str]) {
    bundle.edit(|config| config["process"]["args"] = json!(args));
}

pub(crate) fn bind(source: &Path, destination: &str) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rw"]})
}

/// The attacker's program, compiled once.
pub(crate) fn attacker() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // A host without a compiler has it made elsewhere.
        if let Some(made) = std::env::var_os("GANTRY_TEST_ATTACKER") {
            return made.into();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attacks/attacker.c");
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("attacker");
        // Under another name first: tests of other processes may be running it.
        let new = program.with_extension(std::process::id().to_string());
        let compiled = Command::new("cc")
            .args(["-static", "-O1", "-o"])
            .arg(&new)
            .arg(source)
            .status();
        assert!(compiled.unwrap().success(), "the attacker's program does not compile");
        fs::rename(new, &program).unwrap();
        program
    })
}
