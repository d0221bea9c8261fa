//! What a container may do, and what it shares with the host.

use super::super::problem::Failure;
use bollard_stubs::models::{HostConfig, HostConfigCgroupnsModeEnum};
use engine::NewContainer;
use model::container::UserNamespace;
use model::container::spec::{NamespaceMode, Seccomp, Security};

pub(super) fn security(host: &HostConfig, container: &mut NewContainer) -> Result<(), Failure> {
    container.groups = host.group_add.clone().unwrap_or_default();
    let mut security = Security {
        privileged: host.privileged.unwrap_or(false),
        cap_add: host.cap_add.iter().flatten().map(|name| capability(name)).collect(),
        cap_drop: host.cap_drop.iter().flatten().map(|name| capability(name)).collect(),
        pid: shared("PidMode", host.pid_mode.as_deref(), &["private"])?,
        // `shareable` lets others join; that nobody can is refused when they ask.
        ipc: shared("IpcMode", host.ipc_mode.as_deref(), &["private", "shareable"])?,
        uts: shared("UTSMode", host.uts_mode.as_deref(), &["private"])?,
        cgroup: match host.cgroupns_mode {
            Some(HostConfigCgroupnsModeEnum::HOST) => NamespaceMode::Host,
            _ => NamespaceMode::Private,
        },
        users: match host.userns_mode.as_deref() {
            None | Some("") => UserNamespace::Server,
            Some("host") => UserNamespace::Host,
            // Docker has no word for it; Podman's are these.
            Some("private" | "auto") => UserNamespace::Own,
            Some(other) => {
                return Err(Failure::invalid(format!(
                    "invalid user namespace mode: \"{other}\"; `host` and `private` are the modes, and none takes the server's"
                )));
            }
        },
        masked_paths: host.masked_paths.clone(),
        readonly_paths: host.readonly_paths.clone(),
        ..Security::default()
    };
    for option in host.security_opt.iter().flatten() {
        read_option(option, &mut security)?;
    }
    container.security = security;
    Ok(())
}

fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn shared(field: &str, mode: Option<&str>, private: &[&str]) -> Result<NamespaceMode, Failure> {
    match mode {
        None | Some("") => Ok(NamespaceMode::Private),
        Some("host") => Ok(NamespaceMode::Host),
        Some(mode) if private.contains(&mode) => Ok(NamespaceMode::Private),
        Some(mode) => Err(Failure::unsupported(&format!("HostConfig.{field} {mode}"))),
    }
}

/// `no-new-privileges`, `seccomp=…`, `apparmor=…`, `label=…`, with `=` or the older `:`.
fn read_option(option: &str, security: &mut Security) -> Result<(), Failure> {
    let invalid = || Failure::invalid(format!("invalid --security-opt: \"{option}\""));
    if option == "no-new-privileges" {
        security.no_new_privileges = true;
        return Ok(());
    }
    let (name, value) = option
        .split_once('=')
        .or_else(|| option.split_once(':'))
        .ok_or_else(invalid)?;
    match (name, value) {
        ("no-new-privileges", "true") => security.no_new_privileges = true,
        ("no-new-privileges", "false") => security.no_new_privileges = false,
        ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => security.seccomp = Seccomp::Default,
        ("seccomp", profile) => security.seccomp = Seccomp::Profile(profile.to_owned()),
        // Neither is applied here, so both hold already.
        ("apparmor", "unconfined") | ("label", "disable") => {}
        ("apparmor" | "label" | "systempaths" | "writable-cgroups", _) => {
            return Err(Failure::unsupported(&format!("HostConfig.SecurityOpt {option}")));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Result<Security, Failure> {
        let host = HostConfig {
            security_opt: Some(options.iter().map(|&option| option.to_owned()).collect()),
            cap_add: Some(vec!["cap_net_admin".to_owned()]),
            ..HostConfig::default()
        };
        let mut container = NewContainer::of_image("x");
        security(&host, &mut container)?;
        Ok(container.security)
    }

    #[test]
    fn a_user_namespace_mode_is_honoured_or_refused() {
        let users = |mode: &str| {
            let host = HostConfig {
                userns_mode: Some(mode.to_owned()),
                ..HostConfig::default()
            };
            let mut container = NewContainer::of_image("x");
            security(&host, &mut container).map(|()| container.security.users)
        };
        assert_eq!(users("").expect("valid"), UserNamespace::Server);
        assert_eq!(users("host").expect("valid"), UserNamespace::Host);
        assert_eq!(users("private").expect("valid"), UserNamespace::Own);
        assert!(users("container:web").is_err());
    }

    #[test]
    fn security_options_are_honoured_or_refused() {
        let read_two = read(&["no-new-privileges", "seccomp=unconfined"]).expect("valid");
        assert!(read_two.no_new_privileges);
        assert_eq!(read_two.seccomp, Seccomp::Unconfined);
        assert_eq!(read_two.cap_add, ["NET_ADMIN"]);
        assert!(read(&["apparmor=mine"]).is_err());
        assert!(read(&["colour=red"]).is_err());
    }
}
