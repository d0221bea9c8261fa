//! What this runtime can do, from the tables by which it does it. runtime-spec,
//! features.md and features-linux.md

use crate::{init, labels, namespaces, scheduling, seccomp};
use serde_json::{Value, json};

/// The hooks' names, in the order in which they are run.
const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// The features document. `version` is the newest that is followed.
pub fn features(version: &str, capabilities: &[&str]) -> Value {
    let capabilities: Vec<String> = capabilities.iter().map(|name| format!("CAP_{name}")).collect();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": version,
        "hooks": HOOKS,
        "mountOptions": init::options::known(),
        "linux": {
            "namespaces": namespaces::kinds(),
            "capabilities": capabilities,
            "cgroup": {"v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": true},
            "seccomp": seccomp::features(),
            "apparmor": {"enabled": labels::runs("apparmor")},
            "selinux": {"enabled": labels::runs("selinux")},
            "intelRdt": {"enabled": true, "schemata": true, "monitoring": true},
            "memoryPolicy": {"modes": scheduling::memory_modes(), "flags": scheduling::memory_flags()},
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": true},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_as_the_specification_has_it() {
        let document = features("1.3.0", &["KILL"]);
        let read: oci_spec::runtime::Features = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(read.hooks().as_ref().unwrap().len(), 6);
        let has = |place: &str, word: &str| {
            let list = document.pointer(place).and_then(Value::as_array).unwrap();
            assert!(list.iter().any(|item| item == word), "{place}: {list:?}");
        };
        has("/mountOptions", "rro");
        has("/mountOptions", "runbindable");
        has("/linux/namespaces", "time");
        has("/linux/namespaces", "user");
        has("/linux/seccomp/actions", "SCMP_ACT_NOTIFY");
        has("/linux/seccomp/archs", "SCMP_ARCH_X86_64");
        has(
            "/linux/seccomp/supportedFlags",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        );
        has("/linux/memoryPolicy/modes", "MPOL_BIND");
        has("/linux/capabilities", "CAP_KILL");
    }
}
