//! A container of the engine in the words of the API.

use crate::native::words;
use engine::{Container as Engines, HealthStatus, HostInfo};
use model::container::health::{HealthCheck as Check, Probe};
use model::container::spec::{LogMode, LogOptions as Log, Seccomp, StopTimeout};
use model::container::state::Loss;
use model::container::{ExitStatus, RestartPolicy as Policy, State as Doing, UserNamespace as Users};
use model::mount::{Recursion, Source};
use model::network::NetworkMode as Mode;
use shared::container::{
    Container, Details, Health, HealthReport, HostIds, Port, ProbeResult, Spec, State, Status, Variable,
};
use shared::create::{
    BindRecursive, Device, EnvEntry, HealthCheck, LogDriver, LogOptions, Mount, MountKind, NetworkMode, Restart,
    RestartPolicy, Rlimit, UserNamespace,
};
use shared::limits::Limits;
use std::time::Duration;

/// Docker's default where neither container nor image says anything.
const STOP_TIMEOUT_S: u64 = 10;

pub(in crate::native) fn container(container: &Engines) -> Container {
    let spec = &container.spec;
    let ports = if container.ports.is_empty() {
        &spec.network.ports
    } else {
        &container.ports
    };
    Container {
        id: container.id.to_string(),
        name: spec.name.as_str().to_owned(),
        image: spec.image.reference.short(),
        image_id: spec.image.id.to_string(),
        command: spec.process.arguments().join(" "),
        created: container.created.to_string(),
        state: state(container),
        ports: ports
            .iter()
            .map(|port| Port {
                host_address: port.host_address.map(|address| address.to_string()),
                host_port: port.host_port,
                container_port: port.container_port,
                protocol: port.protocol.word().to_owned(),
            })
            .collect(),
        address: container.endpoint.as_ref().map(|endpoint| endpoint.address.to_string()),
        labels: spec.labels.iter().cloned().collect(),
        restart_count: container.restart_count,
        memory_limit_bytes: words::ceiling(spec.limits.memory.limit),
        nano_cpus: spec.limits.cpu.nano_cpus(),
    }
}

fn state(container: &Engines) -> State {
    let mut state = State {
        status: Status::Created,
        since: container.created.to_string(),
        pid: None,
        exit_code: None,
        signal: None,
        oom_killed: container.oom_killed,
        reason: None,
        started: None,
        stopped_by: None,
        restarting: container.restart_at.is_some(),
        health: None,
    };
    match &container.state {
        Doing::Created => {}
        Doing::Running { init, since } | Doing::Paused { init, since } => {
            state.status = match container.state {
                Doing::Paused { .. } => Status::Paused,
                _ => Status::Running,
            };
            state.since = since.to_string();
            state.pid = Some(init.pid);
            state.started = Some(since.to_string());
            state.health = container.health.as_ref().map(|health| health_word(health.status));
        }
        Doing::Exited {
            status, started, at, ..
        } => {
            state.status = Status::Exited;
            state.since = at.to_string();
            state.exit_code = Some(status.code());
            state.signal = match status {
                ExitStatus::Signaled(signal) => Some(signal.to_string()),
                ExitStatus::Code(_) => None,
            };
            state.stopped_by = container.stopped_by.as_ref().map(words::stopped_by);
            state.started = Some(started.to_string());
            state.reason = container.last_exit.as_ref().and_then(|exit| exit.error.clone());
        }
        Doing::Failed { code, reason, at } => {
            state.status = Status::Failed;
            state.since = at.to_string();
            state.exit_code = Some(*code);
            state.reason = Some(reason.clone());
        }
        Doing::Lost { at, why } => {
            state.status = Status::Lost;
            state.since = at.to_string();
            state.reason = Some(
                match why {
                    Loss::HostRestarted => "the host was restarted while it ran",
                    Loss::ShimKilled => "the process that kept it was killed, so nobody saw how it ended",
                }
                .to_owned(),
            );
        }
    }
    state
}

fn health_word(status: HealthStatus) -> Health {
    match status {
        HealthStatus::Starting => Health::Starting,
        HealthStatus::Healthy => Health::Healthy,
        HealthStatus::Unhealthy => Health::Unhealthy,
    }
}

pub(super) fn health_report(health: &engine::Health) -> HealthReport {
    let probes = health.probes.iter().map(|probe| ProbeResult {
        started: probe.started.to_string(),
        ended: probe.ended.to_string(),
        exit_code: probe.exit_code,
        output: String::from_utf8_lossy(&probe.output).into_owned(),
    });
    HealthReport {
        status: health_word(health.status),
        failing_streak: health.failing_streak,
        probes: probes.collect(),
    }
}

pub(in crate::native) fn details(engines: &Engines, host: &HostInfo) -> Details {
    let spec = &engines.spec;
    let process = &spec.process;
    let security = &spec.security;
    let endpoint = engines.endpoint.as_ref();
    Details {
        container: container(engines),
        spec: Spec {
            run: engines.run,
            entrypoint: process.entrypoint.clone(),
            arguments: process.command.clone(),
            env: process.env.iter().map(|entry| hidden_variable(entry)).collect(),
            working_dir: process.working_dir.clone(),
            user: process.user.clone(),
            hostname: spec.hostname.clone().unwrap_or_else(|| match spec.network.mode {
                Mode::Host => host.hostname.clone(),
                _ => engines.id.short().to_owned(),
            }),
            terminal: process.terminal,
            stdin_open: process.stdin_open,
            init: spec.init,
            system: spec.system,
            network: match spec.network.mode {
                Mode::Bridge => NetworkMode::Bridge,
                Mode::None => NetworkMode::None,
                Mode::Host => NetworkMode::Host,
            },
            gateway: endpoint.map(|endpoint| endpoint.gateway.to_string()),
            mac: endpoint.map(|endpoint| mac(endpoint.mac)),
            dns: spec.network.dns.clone(),
            extra_hosts: spec.network.extra_hosts.clone(),
            mounts: spec.mounts.iter().map(mount).collect(),
            limits: limits(&spec.limits),
            restart: restart(spec.restart),
            auto_remove: spec.auto_remove,
            stop_signal: spec
                .stop_signal
                .map_or_else(|| "SIGTERM".to_owned(), |signal| signal.to_string()),
            stop_timeout: match spec.stop_timeout {
                None => Some(STOP_TIMEOUT_S),
                Some(StopTimeout::After(time)) => Some(time.as_secs()),
                Some(StopTimeout::Never) => None,
            },
            read_only_root: spec.read_only_root,
            privileged: security.privileged,
            user_namespace: match security.users {
                Users::Server => UserNamespace::Server,
                Users::Host => UserNamespace::Host,
                Users::Own => UserNamespace::Own,
            },
            host_ids: engines.ids.map(|ids| HostIds {
                first_user: ids.first_user,
                first_group: ids.first_group,
                count: ids.count,
                shared: ids.shared,
            }),
            cap_add: security.cap_add.clone(),
            cap_drop: security.cap_drop.clone(),
            no_new_privileges: security.no_new_privileges,
            seccomp: match security.seccomp {
                Seccomp::Default if security.privileged => "unconfined",
                Seccomp::Default => "default",
                Seccomp::Unconfined => "unconfined",
                Seccomp::Profile(_) => "profile",
            }
            .to_owned(),
            rlimits: spec
                .rlimits
                .iter()
                .map(|rlimit| Rlimit {
                    name: rlimit.name.clone(),
                    soft: rlimit.soft,
                    hard: rlimit.hard,
                })
                .collect(),
            sysctls: spec.sysctls.iter().cloned().collect(),
            devices: spec
                .devices
                .iter()
                .map(|device| Device {
                    host_path: device.host_path.clone(),
                    container_path: device.container_path.clone(),
                    access: device.access.clone(),
                })
                .collect(),
            health: spec.health.as_ref().map(health),
            log: log(&spec.log),
        },
    }
}

pub(super) fn log(log: &Log) -> LogOptions {
    LogOptions {
        keep_bytes: log.segment_bytes.saturating_mul(u64::from(log.segments)),
        segments: Some(log.segments),
        compress: log.compress,
        non_blocking: matches!(log.mode, LogMode::NonBlocking { .. }),
        buffer_bytes: match log.mode {
            LogMode::NonBlocking { buffer_bytes } => Some(buffer_bytes),
            LogMode::Off | LogMode::Blocking => None,
        },
        off: log.mode == LogMode::Off,
        driver: log.driver.as_ref().map(|driver| LogDriver {
            name: driver.name.clone(),
            options: driver.options.iter().cloned().collect(),
        }),
    }
}

pub(super) fn env_entry(entry: &str) -> EnvEntry {
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    EnvEntry {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// Values may be passwords: they are shown to those who ask for them by themselves.
fn hidden_variable(entry: &str) -> Variable {
    Variable {
        value: None,
        ..variable(entry)
    }
}

pub(super) fn variable(entry: &str) -> Variable {
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    Variable {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

pub(super) fn mount(mount: &model::mount::Mount) -> Mount {
    let (kind, source) = match &mount.source {
        Source::Bind { path, .. } => (MountKind::Bind, path.clone()),
        Source::Volume { name, .. } => (MountKind::Volume, name.clone()),
        Source::Tmpfs { .. } => (MountKind::Tmpfs, String::new()),
    };
    let mut shown = Mount {
        kind,
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
        ..Mount::default()
    };
    match &mount.source {
        Source::Bind {
            propagation,
            create,
            recursion,
            ..
        } => {
            shown.propagation.clone_from(propagation);
            shown.create = *create;
            shown.bind_recursive = match recursion {
                Recursion::Enabled => None,
                Recursion::Disabled => Some(BindRecursive::Disabled),
                Recursion::Writable => Some(BindRecursive::Writable),
                Recursion::ReadOnly => Some(BindRecursive::ReadOnly),
            };
        }
        Source::Volume { no_copy, .. } => shown.no_copy = *no_copy,
        Source::Tmpfs {
            size_bytes,
            mode,
            options,
        } => {
            shown.size_bytes = *size_bytes;
            shown.mode = *mode;
            shown.options.clone_from(options);
        }
    }
    shown
}

/// Every limit, `null` where there is none.
pub(super) fn limits(limits: &model::container::Limits) -> Limits {
    Limits {
        nano_cpus: Some(limits.cpu.nano_cpus()),
        cpu_shares: Some(limits.cpu.shares),
        cpus: Some(limits.cpu.cpus.clone().filter(|list| !list.is_empty())),
        memory_bytes: Some(words::ceiling(limits.memory.limit)),
        memory_and_swap_bytes: Some(words::ceiling(limits.memory.memory_and_swap)),
        memory_reservation_bytes: Some(limits.memory.reservation_bytes.filter(|bytes| *bytes > 0)),
        pids: Some(words::ceiling(limits.pids)),
        io_weight: Some(limits.io.weight),
    }
}

pub(super) fn restart(policy: Policy) -> Restart {
    let (policy, max_retries) = match policy {
        Policy::No => (RestartPolicy::No, None),
        Policy::OnFailure { max_retries } => (RestartPolicy::OnFailure, max_retries),
        Policy::Always => (RestartPolicy::Always, None),
        Policy::UnlessStopped => (RestartPolicy::UnlessStopped, None),
    };
    Restart { policy, max_retries }
}

pub(super) fn health(check: &Check) -> HealthCheck {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let (disabled, command, shell) = match &check.test {
        Probe::None => (true, Vec::new(), false),
        Probe::Command(command) => (false, command.clone(), false),
        Probe::Shell(line) => (false, vec![line.clone()], true),
    };
    HealthCheck {
        disabled,
        command,
        shell,
        interval: seconds(check.interval),
        timeout: seconds(check.timeout),
        retries: check.retries,
        start_period: seconds(check.start_period),
        start_interval: seconds(check.start_interval),
    }
}
