//! Kernel parameters: only those that belong to a namespace of the container's own.
//! runtime-spec, config-linux.md, "Sysctl"

use crate::CreateError;
use crate::namespaces::Namespaces;
use oci_spec::runtime::Spec;
use sys::namespace;

/// Parameters of an IPC namespace. namespaces(7); kernel, admin-guide/sysctl/kernel.rst
const IPC: [&str; 12] = [
    "kernel/auto_msgmni",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/msg_next_id",
    "kernel/sem",
    "kernel/sem_next_id",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_next_id",
    "kernel/shm_rmid_forced",
];

/// The NIS domain name of a UTS namespace. uts_namespaces(7)
const DOMAIN_NAME: &str = "kernel/domainname";

/// The path below `/proc/sys` and value of each.
pub(crate) fn of(spec: &Spec, namespaces: &Namespaces) -> Result<Vec<(String, String)>, CreateError> {
    let given = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    let mut all = given
        .into_iter()
        .flatten()
        .map(|(name, value)| Ok((checked(name, namespaces)?, value.clone())))
        .collect::<Result<Vec<_>, CreateError>>()?;
    let named = spec.domainname().as_ref().is_some_and(|name| !name.is_empty());
    if named && all.iter().any(|(path, _)| path == DOMAIN_NAME) {
        return Err(CreateError::Bundle(
            "sysctl `kernel.domainname` and the field `domainname` set the same; give one of them".to_owned(),
        ));
    }
    all.sort();
    Ok(all)
}

fn checked(name: &str, namespaces: &Namespaces) -> Result<String, CreateError> {
    let path = path_of(name);
    let odd = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    let is = |kind: u64| namespaces.has_new(kind) || namespaces.joins(kind);
    let belongs_to = if odd {
        None
    } else if path.starts_with("net/") {
        Some(("network", namespace::NETWORK))
    } else if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
        Some(("ipc", namespace::IPC))
    } else if path.starts_with("user/") {
        Some(("user", namespace::USER))
    } else if path == DOMAIN_NAME {
        Some(("uts", namespace::UTS))
    } else {
        None
    };
    match belongs_to {
        Some((_, kind)) if is(kind) => Ok(path),
        Some((kind, _)) => Err(CreateError::Bundle(format!(
            "sysctl `{name}` would change the host: the container has no {kind} namespace of its own"
        ))),
        None if path == "kernel/hostname" => Err(CreateError::Bundle(format!(
            "sysctl `{name}` is set by the field `hostname`"
        ))),
        None => Err(CreateError::Bundle(format!(
            "sysctl `{name}` belongs to no namespace: it would change the host"
        ))),
    }
}

/// Both `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are meant the same; whichever
/// separator comes first is the one, so that `net/ipv4/conf/eth0.1/…` has a dot in it.
fn path_of(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'.' => {
            let swap = |letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            };
            name.chars().map(swap).collect()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(new: u64) -> Namespaces {
        Namespaces {
            new,
            joined: Vec::new(),
        }
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let network = own(namespace::NETWORK);
        assert_eq!(checked("net.ipv4.ip_forward", &network).unwrap(), "net/ipv4/ip_forward");
        assert_eq!(checked("net/ipv4/ip_forward", &network).unwrap(), "net/ipv4/ip_forward");
        assert_eq!(
            checked("net.ipv4.conf.eth0/1.forwarding", &network).unwrap(),
            "net/ipv4/conf/eth0.1/forwarding"
        );
    }

    #[test]
    fn what_would_change_the_host_is_refused() {
        let all = own(u64::MAX);
        for name in [
            "kernel.core_pattern",
            "vm.swappiness",
            "fs.file-max",
            "kernel.hostname",
            "net..x",
            "net/../kernel/core_pattern",
        ] {
            assert!(checked(name, &all).is_err(), "{name}");
        }
        assert!(checked("net.ipv4.ip_forward", &own(namespace::IPC)).is_err());
        assert!(checked("kernel.shmmax", &own(namespace::NETWORK)).is_err());
        assert!(checked("kernel.shmmax", &own(namespace::IPC)).is_ok());
    }

    #[test]
    fn a_domain_name_needs_a_uts_namespace_and_one_place_that_sets_it() {
        assert!(checked("kernel.domainname", &own(namespace::UTS)).is_ok());
        assert!(checked("kernel/domainname", &own(namespace::NETWORK)).is_err());
        let spec = |domain_name: &str| -> Spec {
            let sysctl = serde_json::json!({"kernel.domainname": "example"});
            let json = serde_json::json!({
                "ociVersion": "1.0.0", "domainname": domain_name, "linux": {"sysctl": sysctl},
            });
            serde_json::from_value(json).unwrap()
        };
        let uts = own(namespace::UTS);
        let set = of(&spec(""), &uts).unwrap();
        assert_eq!(set, [("kernel/domainname".to_owned(), "example".to_owned())]);
        assert!(of(&spec("example"), &uts).is_err());
    }
}
