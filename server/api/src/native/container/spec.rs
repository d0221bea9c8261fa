//! The request that creates a container again, and the fields of a request that only few need.

use super::show;
use crate::native::body::Path;
use crate::native::front::Front;
use crate::native::guard::Caller;
use crate::native::problem::Answer;
use crate::native::words;
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use engine::NewContainer as Asked;
use model::container::limits::{Ceiling, Cpu, DEFAULT_PERIOD_US, DeviceAmount as Amount};
use model::container::spec::{NamespaceMode as Mode, Seccomp, StopTimeout};
use model::container::system::SystemChoice as System;
use model::container::{Limits as AskedLimits, UserNamespace as Users};
use model::network::NetworkMode as Network;
use shared::create::{
    Device, DeviceAmount, MoreLimits, Mount, MountKind, NamespaceMode, NetworkMode, NewContainer, Rlimit, SystemChoice,
    UserNamespace,
};
use shared::limits::Limits;

/// Returns a create request that reproduces the container, without its name.
///
/// Requires the role `operator`, because it contains the values of all environment variables. Each
/// request is recorded as an event `reveal_environment` with the name of the user.
#[utoipa::path(get, path = "/containers/{id}/spec", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = NewContainer)))]
pub(super) async fn spec(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Json<NewContainer>> {
    caller.require(Permission::Operate)?;
    let id = front.engine.find(&id)?;
    let again = front.engine.recreation(&id).await?;
    if !again.env.is_empty() {
        front.engine.reveal_environment(&id, &caller.owner()).await?;
    }
    Ok(Json(shown(&again)))
}

/// The inverse of [`super::read::new_container`].
fn shown(asked: &Asked) -> NewContainer {
    let security = &asked.security;
    let network = &asked.network;
    let (set, unset): (Vec<_>, Vec<_>) = asked.env.iter().partition(|entry| entry.contains('='));
    let mut mounts: Vec<Mount> = asked.mounts.iter().map(show::mount).collect();
    mounts.extend(asked.anonymous_volumes.iter().map(|target| anonymous_volume(target)));
    NewContainer {
        image: asked.image.clone(),
        name: asked.name.as_ref().map(|name| name.as_str().to_owned()),
        entrypoint: asked.entrypoint.clone(),
        command: asked.command.clone(),
        env: set.into_iter().map(|entry| show::env_entry(entry)).collect(),
        unset_env: unset.into_iter().cloned().collect(),
        working_dir: asked.working_dir.clone(),
        user: asked.user.clone(),
        groups: asked.groups.clone(),
        hostname: asked.hostname.clone(),
        domainname: asked.domainname.clone(),
        terminal: asked.terminal,
        stdin_open: asked.stdin_open,
        stdin_once: asked.stdin_once,
        labels: asked.labels.iter().cloned().collect(),
        network: match network.mode {
            Network::Bridge => NetworkMode::Bridge,
            Network::None => NetworkMode::None,
            Network::Host => NetworkMode::Host,
        },
        ports: network.ports.iter().map(ToString::to_string).collect(),
        exposed: network.exposed.clone(),
        publish_all: network.publish_all,
        dns: network.dns.clone(),
        dns_search: network.dns_search.clone(),
        dns_options: network.dns_options.clone(),
        extra_hosts: network.extra_hosts.clone(),
        mounts,
        limits: limits(&asked.limits),
        more_limits: more_limits(&asked.limits),
        restart: show::restart(asked.restart),
        auto_remove: asked.auto_remove,
        stop_signal: asked.stop_signal.map(|signal| signal.to_string()),
        stop_timeout: match asked.stop_timeout {
            Some(StopTimeout::After(time)) => Some(time.as_secs()),
            Some(StopTimeout::Never) | None => None,
        },
        no_stop_timeout: asked.stop_timeout == Some(StopTimeout::Never),
        init: asked.init,
        system: match asked.system {
            System::Auto => SystemChoice::Auto,
            System::Always => SystemChoice::Always,
            System::Never => SystemChoice::Never,
        },
        read_only_root: asked.read_only_root,
        shm_bytes: asked.shm_bytes,
        privileged: security.privileged,
        user_namespace: match security.users {
            Users::Server => UserNamespace::Server,
            Users::Host => UserNamespace::Host,
            Users::Own => UserNamespace::Own,
        },
        cap_add: security.cap_add.clone(),
        cap_drop: security.cap_drop.clone(),
        no_new_privileges: security.no_new_privileges,
        seccomp: match &security.seccomp {
            Seccomp::Default => None,
            Seccomp::Unconfined => Some("unconfined".to_owned()),
            Seccomp::Profile(profile) => Some(profile.clone()),
        },
        pid: namespace(security.pid),
        ipc: namespace(security.ipc),
        uts: namespace(security.uts),
        cgroup_namespace: namespace(security.cgroup),
        masked_paths: security.masked_paths.clone(),
        readonly_paths: security.readonly_paths.clone(),
        rlimits: asked
            .rlimits
            .iter()
            .map(|rlimit| Rlimit {
                name: rlimit.name.clone(),
                soft: rlimit.soft,
                hard: rlimit.hard,
            })
            .collect(),
        sysctls: asked.sysctls.iter().cloned().collect(),
        devices: asked
            .devices
            .iter()
            .map(|device| Device {
                host_path: device.host_path.clone(),
                container_path: device.container_path.clone(),
                access: device.access.clone(),
            })
            .collect(),
        oom_score_adj: asked.oom_score_adj,
        health: asked.health.as_ref().map(show::health),
        log: Some(show::log(&asked.log)),
        start: false,
    }
}

fn namespace(mode: Mode) -> NamespaceMode {
    match mode {
        Mode::Private => NamespaceMode::Private,
        Mode::Host => NamespaceMode::Host,
    }
}

fn anonymous_volume(target: &str) -> Mount {
    Mount {
        kind: MountKind::Volume,
        target: target.to_owned(),
        ..Mount::default()
    }
}

/// A volume without a name: a new one, of this container alone.
pub(super) fn is_anonymous_volume(mount: &Mount) -> bool {
    mount.kind == MountKind::Volume && mount.source.is_empty() && mount.target.starts_with('/') && !mount.read_only
}

/// Only what is limited, so that the rest stays as the engine has it by default.
fn limits(limits: &AskedLimits) -> Limits {
    let ceiling = |ceiling: Option<Ceiling>| ceiling.map(|ceiling| words::ceiling(Some(ceiling)));
    Limits {
        nano_cpus: nano_cpus(&limits.cpu).map(Some),
        cpu_shares: limits.cpu.shares.map(Some),
        cpus: limits.cpu.cpus.clone().map(Some),
        memory_bytes: ceiling(limits.memory.limit),
        memory_and_swap_bytes: ceiling(limits.memory.memory_and_swap),
        memory_reservation_bytes: limits.memory.reservation_bytes.map(Some),
        pids: ceiling(limits.pids),
        io_weight: limits.io.weight.map(Some),
    }
}

/// The quota as a number of processors, where that says the same.
fn nano_cpus(cpu: &Cpu) -> Option<u64> {
    let nano_cpus = cpu.nano_cpus().filter(|_| cpu.period_us == Some(DEFAULT_PERIOD_US))?;
    let same = Cpu::from_nano_cpus(nano_cpus);
    (same.quota == cpu.quota).then_some(nano_cpus)
}

fn more_limits(limits: &AskedLimits) -> MoreLimits {
    let by_nano_cpus = nano_cpus(&limits.cpu).is_some();
    let amounts = |amounts: &[Amount]| {
        let shown = amounts.iter().map(|device| DeviceAmount {
            major: device.major,
            minor: device.minor,
            amount: device.amount,
        });
        shown.collect()
    };
    MoreLimits {
        cpu_quota_us: limits.cpu.quota.filter(|_| !by_nano_cpus).map(|quota| match quota {
            Ceiling::Unlimited => -1,
            Ceiling::At(quota) => i64::try_from(quota).unwrap_or(i64::MAX),
        }),
        cpu_period_us: limits.cpu.period_us.filter(|_| !by_nano_cpus),
        mems: limits.cpu.mems.clone(),
        memory_swappiness: limits.memory.swappiness,
        oom_kill_disabled: limits.memory.oom_kill_disabled,
        io_weight_device: amounts(&limits.io.weight_device),
        io_read_bps: amounts(&limits.io.read_bps),
        io_write_bps: amounts(&limits.io.write_bps),
        io_read_iops: amounts(&limits.io.read_iops),
        io_write_iops: amounts(&limits.io.write_iops),
    }
}

/// The fields of a request that are read here.
pub(super) struct Further {
    domainname: Option<String>,
    groups: Vec<String>,
    stdin_once: bool,
    unset_env: Vec<String>,
    exposed: Vec<String>,
    publish_all: bool,
    dns_options: Vec<String>,
    no_stop_timeout: bool,
    oom_score_adj: Option<i32>,
    namespaces: [NamespaceMode; 4],
    masked_paths: Option<Vec<String>>,
    readonly_paths: Option<Vec<String>>,
    limits: MoreLimits,
}

impl Further {
    pub(super) fn take(new: &mut NewContainer) -> Self {
        use std::mem::take;
        Self {
            domainname: new.domainname.take(),
            groups: take(&mut new.groups),
            stdin_once: new.stdin_once,
            unset_env: take(&mut new.unset_env),
            exposed: take(&mut new.exposed),
            publish_all: new.publish_all,
            dns_options: take(&mut new.dns_options),
            no_stop_timeout: new.no_stop_timeout,
            oom_score_adj: new.oom_score_adj,
            namespaces: [new.pid, new.ipc, new.uts, new.cgroup_namespace],
            masked_paths: new.masked_paths.take(),
            readonly_paths: new.readonly_paths.take(),
            limits: take(&mut new.more_limits),
        }
    }

    /// After all other fields are read.
    pub(super) fn apply(self, asked: &mut Asked) {
        asked.domainname = self.domainname;
        asked.groups = self.groups;
        asked.stdin_once = self.stdin_once;
        // The image's variables are removed before others are set. A name with a value is no name.
        let unset = self.unset_env.into_iter().filter(|name| !name.contains('='));
        asked.env = unset.chain(std::mem::take(&mut asked.env)).collect();
        asked.network.exposed = self.exposed;
        asked.network.publish_all = self.publish_all;
        asked.network.dns_options = self.dns_options;
        if self.no_stop_timeout {
            asked.stop_timeout = Some(StopTimeout::Never);
        }
        asked.oom_score_adj = self.oom_score_adj.filter(|adjustment| *adjustment != 0);
        let [pid, ipc, uts, cgroup] = self.namespaces.map(|mode| match mode {
            NamespaceMode::Private => Mode::Private,
            NamespaceMode::Host => Mode::Host,
        });
        let security = &mut asked.security;
        (security.pid, security.ipc, security.uts, security.cgroup) = (pid, ipc, uts, cgroup);
        security.masked_paths = self.masked_paths;
        security.readonly_paths = self.readonly_paths;
        let limits = &mut asked.limits;
        if let Some(quota) = self.limits.cpu_quota_us {
            limits.cpu.quota = Some(u64::try_from(quota).map_or(Ceiling::Unlimited, Ceiling::At));
        }
        limits.cpu.period_us = self.limits.cpu_period_us.or(limits.cpu.period_us);
        limits.cpu.mems = self.limits.mems;
        limits.memory.swappiness = self.limits.memory_swappiness;
        limits.memory.oom_kill_disabled = self.limits.oom_kill_disabled;
        let amounts = |amounts: Vec<DeviceAmount>| {
            let read = amounts.into_iter().map(|device| Amount {
                major: device.major,
                minor: device.minor,
                amount: device.amount,
            });
            read.collect()
        };
        limits.io.weight_device = amounts(self.limits.io_weight_device);
        limits.io.read_bps = amounts(self.limits.io_read_bps);
        limits.io.write_bps = amounts(self.limits.io_write_bps);
        limits.io.read_iops = amounts(self.limits.io_read_iops);
        limits.io.write_iops = amounts(self.limits.io_write_iops);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::container::read;
    use model::Signal;
    use model::container::health::{HealthCheck, Probe};
    use model::container::limits::{Cpu, Io, Memory};
    use model::container::spec::LogMode;
    use model::container::{ContainerName, RestartPolicy};
    use model::mount::{Mount as Mounted, Source};
    use model::network::PortMapping;
    use std::time::Duration;

    fn round_trip(asked: &Asked) -> Asked {
        let text = serde_json::to_string(&shown(asked)).expect("JSON");
        let read = serde_json::from_str(&text).expect("a request");
        read::new_container(read, 4).expect("valid")
    }

    fn amounts() -> Vec<Amount> {
        vec![Amount {
            major: 8,
            minor: 0,
            amount: 7,
        }]
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// A request that says something in every field.
    fn full() -> Asked {
        let mut asked = Asked::of_image("busybox:1");
        asked.name = Some(ContainerName::parse("web").expect("valid"));
        asked.entrypoint = Some(words("a b"));
        asked.command = Some(words("c"));
        asked.env = words("UNSET A=b=c");
        (asked.working_dir, asked.user) = (Some("/w".to_owned()), Some("1:2".to_owned()));
        (asked.hostname, asked.domainname) = (Some("h".to_owned()), Some("d".to_owned()));
        asked.groups = words("3");
        (asked.terminal, asked.stdin_open, asked.stdin_once) = (true, true, true);
        asked.labels = vec![("a".to_owned(), "b".to_owned())];
        asked.network.ports = PortMapping::parse("127.0.0.1:0:80-81/udp").expect("valid");
        asked.network.exposed = words("90/tcp");
        asked.network.publish_all = true;
        asked.network.dns = words("1.1.1.1");
        asked.network.dns_search = words("example.com");
        asked.network.dns_options = words("ndots:1");
        asked.network.extra_hosts = words("a:1.2.3.4");
        asked.mounts = vec![
            Mounted::parse("/a:/b:ro,rslave").expect("valid"),
            Mounted::parse("data:/c").expect("valid"),
            Mounted {
                source: Source::Tmpfs {
                    size_bytes: Some(4096),
                    mode: Some(0o700),
                    options: words("noexec"),
                },
                target: "/t".to_owned(),
                read_only: true,
            },
        ];
        asked.anonymous_volumes = words("/anonymous");
        asked.limits.memory = Memory {
            limit: Some(Ceiling::At(64 << 20)),
            memory_and_swap: Some(Ceiling::Unlimited),
            reservation_bytes: Some(1 << 20),
            swappiness: Some(7),
            oom_kill_disabled: true,
        };
        asked.limits.cpu = Cpu {
            shares: Some(5),
            quota: Some(Ceiling::At(5000)),
            period_us: Some(20_000),
            cpus: Some("0-1".to_owned()),
            mems: Some("0".to_owned()),
            ..Cpu::default()
        };
        asked.limits.pids = Some(Ceiling::At(9));
        asked.limits.io = Io {
            weight: Some(300),
            weight_device: amounts(),
            read_bps: amounts(),
            write_bps: amounts(),
            read_iops: amounts(),
            write_iops: amounts(),
        };
        asked.security.privileged = true;
        asked.security.cap_add = words("NET_ADMIN");
        asked.security.cap_drop = words("ALL");
        asked.security.no_new_privileges = true;
        asked.security.seccomp = Seccomp::Profile("{}".to_owned());
        let host = Mode::Host;
        (asked.security.pid, asked.security.ipc, asked.security.cgroup) = (host, host, host);
        asked.security.uts = host;
        asked.security.users = Users::Own;
        asked.security.masked_paths = Some(Vec::new());
        asked.security.readonly_paths = Some(words("/proc/a"));
        asked.restart = RestartPolicy::OnFailure { max_retries: Some(3) };
        asked.auto_remove = true;
        asked.stop_signal = Some(Signal::RTMIN_3);
        asked.stop_timeout = Some(StopTimeout::Never);
        (asked.init, asked.system, asked.read_only_root) = (true, System::Never, true);
        asked.shm_bytes = Some(1 << 20);
        asked.rlimits = vec![model::container::spec::Rlimit {
            name: "nofile".to_owned(),
            soft: 1,
            hard: u64::MAX,
        }];
        asked.sysctls = vec![("net.ipv4.ip_forward".to_owned(), "1".to_owned())];
        asked.devices = vec![model::container::spec::Device {
            host_path: "/dev/null".to_owned(),
            container_path: "/dev/n".to_owned(),
            access: "rw".to_owned(),
        }];
        asked.oom_score_adj = Some(-5);
        asked.health = Some(HealthCheck {
            test: Probe::Command(words("true now")),
            interval: Some(Duration::from_nanos(1_000_000_001)),
            timeout: None,
            retries: Some(4),
            start_period: Some(Duration::from_millis(1500)),
            start_interval: None,
        });
        asked.log.mode = LogMode::NonBlocking { buffer_bytes: 5 };
        (asked.log.segment_bytes, asked.log.segments, asked.log.compress) = (12_345, 3, true);
        asked
    }

    #[test]
    fn a_request_is_read_back_as_it_was_shown() {
        assert_eq!(round_trip(&full()), full());
        let plain = Asked::of_image("busybox");
        assert_eq!(round_trip(&plain), plain);
        let mut other = full();
        other.limits.cpu = Cpu::from_nano_cpus(1_500_000_000);
        other.stop_timeout = Some(StopTimeout::After(Duration::from_secs(3)));
        other.security.seccomp = Seccomp::Unconfined;
        assert_eq!(round_trip(&other), other);
    }
}
