//! Capabilities by name. capabilities(7)

use crate::BundleError;
use model::container::host_access::DEFAULT_CAPABILITIES;
use model::container::spec::Security;

/// All that Linux 6.18 has, in the kernel's order, from bit 0.
pub const ALL_CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The capabilities of a container, with their prefix, in the kernel's order.
pub fn capabilities(security: &Security) -> Result<Vec<String>, BundleError> {
    let prefixed = |name: &&str| format!("CAP_{name}");
    if security.privileged {
        return Ok(ALL_CAPABILITIES.iter().map(prefixed).collect());
    }
    let added = names(&security.cap_add)?;
    let dropped = names(&security.cap_drop)?;
    let all_added = added.contains(&"ALL");
    let all_dropped = dropped.contains(&"ALL");
    // What is named on its own wins over `ALL`.
    let wanted = |name: &&&str| {
        let by_default = DEFAULT_CAPABILITIES.contains(*name);
        let base = if all_dropped {
            all_added
        } else {
            all_added || by_default
        };
        (base && !dropped.contains(*name)) || added.contains(*name)
    };
    Ok(ALL_CAPABILITIES.iter().filter(wanted).map(prefixed).collect())
}

fn names(given: &[String]) -> Result<Vec<&'static str>, BundleError> {
    let known = |text: &String| {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Ok("ALL");
        }
        let found = ALL_CAPABILITIES.into_iter().find(|known| *known == name);
        found.ok_or_else(|| BundleError::Capability(text.clone()))
    };
    given.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(add: &[&str], drop: &[&str]) -> Vec<String> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        capabilities(&Security {
            cap_add: list(add),
            cap_drop: list(drop),
            ..Security::default()
        })
        .unwrap()
    }

    #[test]
    fn the_default_is_the_fourteen() {
        assert_eq!(of(&[], &[]).len(), 14);
    }

    #[test]
    fn all_is_dropped_and_one_is_kept() {
        assert_eq!(of(&["cap_net_admin"], &["ALL"]), ["CAP_NET_ADMIN"]);
        assert_eq!(of(&["ALL"], &["SYS_ADMIN"]).len(), 40);
    }

    #[test]
    fn a_capability_that_is_none_is_told() {
        let security = Security {
            cap_add: vec!["FLY".to_owned()],
            ..Security::default()
        };
        assert!(capabilities(&security).is_err());
    }
}
