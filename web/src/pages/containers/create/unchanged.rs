//! Copies: what was not changed in the form stays exactly as the specification has it,
//! since the form's text is not always all of it: `64.5 MiB` stands for one of many
//! numbers, and an empty command is not the image's.

use super::draft::Draft;
use shared::create::NewContainer;

/// Puts the base's values back into `request` wherever the form shows what it showed of
/// the base.
pub fn keep(request: &mut NewContainer, base: &NewContainer, draft: &Draft) {
    let origin = Draft::like(base);
    let texts = |names: &[&str]| names.iter().all(|name| draft.text(name) == origin.text(name));
    let switches = |names: &[&str]| names.iter().all(|name| draft.is_on(name) == origin.is_on(name));
    let rows = |name: &str| draft.list(name) == origin.list(name);
    macro_rules! keep {
        ($($unchanged:expr => $field:ident),+ $(,)?) => {
            $(if $unchanged {
                request.$field.clone_from(&base.$field);
            })+
        };
    }
    keep! {
        texts(&["name"]) => name,
        texts(&["entrypoint"]) => entrypoint,
        texts(&["command"]) => command,
        texts(&["working_dir"]) => working_dir,
        texts(&["user"]) => user,
        texts(&["hostname"]) => hostname,
        texts(&["stop_signal"]) => stop_signal,
        texts(&["stop_timeout"]) => stop_timeout,
        texts(&["restart", "max_retries"]) => restart,
        texts(&["system"]) => system,
        texts(&["user_namespace"]) => user_namespace,
        texts(&["network", "dns"]) => dns,
        texts(&["network", "extra_hosts"]) => extra_hosts,
        texts(&["network"]) && rows("ports") => ports,
        texts(&["cap_add"]) => cap_add,
        texts(&["cap_drop"]) => cap_drop,
        texts(&["shm"]) => shm_bytes,
        texts(&["log_keep"]) && switches(&["log_compress", "log_non_blocking"]) => log,
        switches(&["seccomp_unconfined"]) => seccomp,
        rows("labels") => labels,
        rows("env") => env,
        rows("mounts") => mounts,
        rows("rlimits") => rlimits,
        rows("sysctls") => sysctls,
    }
    let (asked, stored) = (&mut request.limits, &base.limits);
    macro_rules! keep_limits {
        ($($name:literal => $field:ident),+ $(,)?) => {
            $(if texts(&[$name]) {
                asked.$field.clone_from(&stored.$field);
            })+
        };
    }
    keep_limits! {
        "cpu" => nano_cpus,
        "memory" => memory_bytes,
        "memory_reservation" => memory_reservation_bytes,
        "memory_and_swap" => memory_and_swap_bytes,
        "pids" => pids,
        "cpu_shares" => cpu_shares,
        "cpus" => cpus,
    }
}

/// The settings of the base that the form does not show.
pub fn hidden(base: &NewContainer) -> Vec<String> {
    let draft = Draft::like(base);
    let mut alone = super::judge::judge(&draft, super::judge::ANY_HOST).request;
    keep(&mut alone, base, &draft);
    let tree = |spec: &NewContainer| serde_json::to_value(spec).unwrap_or_default();
    let (shown, all) = (tree(&alone), tree(base));
    let fields = all.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| shown.get(name) != Some(*value))
        .map(|(name, _)| name.replace('_', " "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::containers::create::judge::{ANY_HOST, judge};
    use shared::create::{
        Device, EnvEntry, HealthCheck, LogOptions, Mount, MountKind, NetworkMode, Restart, RestartPolicy, Rlimit,
    };
    use shared::limits::Limits;

    fn full() -> NewContainer {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        NewContainer {
            image: "docker.io/library/nginx:1.27".to_owned(),
            entrypoint: Some(Vec::new()),
            command: Some(words(&["sh", "-c", "echo 'a  b' \"c\"; \\n", ""])),
            env: vec![EnvEntry {
                name: "KEY".to_owned(),
                value: "line one\nline two ".to_owned(),
            }],
            stop_timeout: Some(77),
            labels: [("team".to_owned(), " core ".to_owned())].into(),
            network: NetworkMode::Bridge,
            ports: words(&["127.0.0.1:22999:80/tcp", "[::1]:53:53/udp", "8000-8010:90-100/tcp"]),
            dns: words(&["1.1.1.1"]),
            dns_search: words(&["example.org"]),
            extra_hosts: words(&["db:10.0.0.2"]),
            mounts: vec![
                Mount {
                    kind: MountKind::Tmpfs,
                    source: String::new(),
                    target: "/tmp".to_owned(),
                    read_only: false,
                    size_bytes: Some(12_345_678),
                    mode: Some(0o1777),
                    ..Mount::default()
                },
                Mount {
                    kind: MountKind::Bind,
                    source: "/srv".to_owned(),
                    target: "/srv".to_owned(),
                    read_only: true,
                    propagation: Some("rslave".to_owned()),
                    create: true,
                    ..Mount::default()
                },
            ],
            limits: Limits {
                memory_bytes: Some(Some(123_456_789)),
                io_weight: Some(Some(500)),
                pids: Some(None),
                ..Limits::default()
            },
            restart: Restart {
                policy: RestartPolicy::OnFailure,
                max_retries: Some(3),
            },
            shm_bytes: Some(1_000_001),
            cap_drop: words(&["ALL"]),
            cap_add: words(&["NET_BIND_SERVICE"]),
            seccomp: Some("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}".to_owned()),
            rlimits: vec![Rlimit {
                name: "nofile".to_owned(),
                soft: 1,
                hard: 2,
            }],
            sysctls: [("net.core.somaxconn".to_owned(), "1024".to_owned())].into(),
            devices: vec![Device {
                host_path: "/dev/fuse".to_owned(),
                container_path: "/dev/fuse".to_owned(),
                access: "rwm".to_owned(),
            }],
            health: Some(HealthCheck {
                command: words(&["true"]),
                ..HealthCheck::default()
            }),
            log: Some(LogOptions {
                keep_bytes: 12_345_679,
                segments: Some(3),
                compress: true,
                non_blocking: true,
                buffer_bytes: Some(4096),
                off: false,
                driver: None,
            }),
            ..NewContainer::default()
        }
    }

    #[test]
    fn a_copy_has_everything_but_name_and_host_ports() {
        let draft = Draft::copy_of(NewContainer {
            name: Some("web".to_owned()),
            ..full()
        });
        let judged = judge(&draft, ANY_HOST);
        let ports = ["127.0.0.1::80/tcp", "[::1]::53/udp", "90-100/tcp"];
        let wanted = NewContainer {
            ports: ports.map(str::to_owned).to_vec(),
            start: true,
            ..full()
        };
        assert_eq!(judged.request, wanted);
        assert_eq!(judged.mistakes, crate::table::Table::new());
    }

    #[test]
    fn a_change_in_a_copy_changes_that_alone() {
        let mut draft = Draft::copy_of(full());
        draft.texts.insert("memory".to_owned(), "64 MiB".to_owned());
        draft.rows.get_mut("mounts").expect("rows")[0][2] = "/scratch".to_owned();
        let request = judge(&draft, ANY_HOST).request;
        assert_eq!(request.limits.memory_bytes, Some(Some(64 << 20)));
        assert_eq!(request.limits.io_weight, Some(Some(500)));
        assert_eq!(request.mounts[0].target, "/scratch");
        assert_eq!(request.mounts[0].size_bytes, Some(12_345_678));
        assert_eq!(request.log, full().log);
        assert_eq!(request.devices, full().devices);
    }

    #[test]
    fn what_the_form_does_not_show_is_named() {
        let hidden = hidden(&full());
        for name in ["devices", "health", "dns search"] {
            assert!(hidden.iter().any(|field| field == name), "{name}: {hidden:?}");
        }
        assert!(
            !hidden.iter().any(|field| field == "labels" || field == "image"),
            "{hidden:?}"
        );
    }
}
