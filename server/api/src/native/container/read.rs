//! What is asked for, read into the engine's values, with every mistake at once.

use super::spec;
use crate::native::guard::Caller;
use crate::native::problem::Answer;
use access::Permission;
use engine::NewContainer as Asked;
use model::Signal;
use model::container::health::{HealthCheck as Check, Probe};
use model::container::limits::{Ceiling, Cpu};
use model::container::spec::{Device, LogDriver, LogMode, LogOptions, Rlimit, Seccomp, StopTimeout};
use model::container::system::SystemChoice as System;
use model::container::{ContainerName, Limits, RestartPolicy as Policy, UserNamespace as Users, host_access};
use model::mount::{Mount, Recursion, Source};
use model::network::{NetworkMode as Mode, PortMapping};
use shared::create::{
    BindRecursive, HealthCheck, MountKind, NetworkMode, NewContainer, Restart, RestartPolicy, SystemChoice,
    UserNamespace,
};
use shared::problem::Mistake;
use std::time::Duration;

/// A log is kept in this many segments, so that old lines go in small steps.
const SEGMENTS: u32 = 16;
const NON_BLOCKING_BUFFER_BYTES: u64 = 1 << 20;
/// Of a tmpfs whose mode is not given: the kernel's own. tmpfs(5)
const TMPFS_MODE: u32 = 0o1777;

/// The request, or its mistakes in single fields.
///
/// `cpus` is the number of the host's processors.
pub(super) fn new_container(mut new: NewContainer, cpus: u32) -> Result<Asked, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let mut asked = Asked::of_image(new.image.trim());
    let further = spec::Further::take(&mut new);
    if asked.image.is_empty() {
        mistakes.add("image", "an image is needed".to_owned());
    }
    asked.name = new
        .name
        .filter(|name| !name.is_empty())
        .and_then(|name| mistakes.take("name", ContainerName::parse(&name)));
    asked.entrypoint = new.entrypoint;
    asked.command = new.command;
    asked.env = new
        .env
        .iter()
        .map(|entry| format!("{}={}", entry.name, entry.value))
        .collect();
    for (place, entry) in new.env.iter().enumerate() {
        if entry.name.is_empty() || entry.name.contains(['=', '\0']) {
            mistakes.add(
                &format!("env[{place}]"),
                "a variable's name is not empty and has no `=`".to_owned(),
            );
        }
    }
    asked.working_dir = new.working_dir;
    asked.user = new.user;
    asked.hostname = new.hostname;
    asked.terminal = new.terminal;
    asked.stdin_open = new.stdin_open;
    asked.labels = new.labels.into_iter().collect();
    asked.network.mode = match new.network {
        NetworkMode::Bridge => Mode::Bridge,
        NetworkMode::None => Mode::None,
        NetworkMode::Host => Mode::Host,
    };
    for (place, port) in new.ports.iter().enumerate() {
        if let Some(ports) = mistakes.take(&format!("ports[{place}]"), PortMapping::parse(port)) {
            asked.network.ports.extend(ports);
        }
    }
    asked.network.dns = new.dns;
    asked.network.dns_search = new.dns_search;
    asked.network.extra_hosts = new.extra_hosts;
    for (place, mount) in new.mounts.into_iter().enumerate() {
        if spec::is_anonymous_volume(&mount) {
            asked.anonymous_volumes.push(mount.target);
            continue;
        }
        let mount = read_mount(mount);
        if mistakes.take(&format!("mounts[{place}]"), mount.check()).is_some() {
            asked.mounts.push(mount);
        }
    }
    asked.limits = limits(new.limits, cpus);
    asked.restart = restart(new.restart);
    asked.auto_remove = new.auto_remove;
    asked.stop_signal = new
        .stop_signal
        .and_then(|text| mistakes.take("stop_signal", Signal::parse(&text)));
    asked.stop_timeout = new
        .stop_timeout
        .map(|seconds| StopTimeout::After(Duration::from_secs(seconds)));
    asked.init = new.init;
    asked.system = match new.system {
        SystemChoice::Auto => System::Auto,
        SystemChoice::Always => System::Always,
        SystemChoice::Never => System::Never,
    };
    asked.read_only_root = new.read_only_root;
    asked.shm_bytes = new.shm_bytes;
    asked.security.privileged = new.privileged;
    asked.security.users = match new.user_namespace {
        UserNamespace::Server => Users::Server,
        UserNamespace::Host => Users::Host,
        UserNamespace::Own => Users::Own,
    };
    asked.security.cap_add = new.cap_add;
    asked.security.cap_drop = new.cap_drop;
    asked.security.no_new_privileges = new.no_new_privileges;
    asked.security.seccomp = match new.seccomp {
        None => Seccomp::Default,
        Some(word) if word == "default" => Seccomp::Default,
        Some(word) if word == "unconfined" => Seccomp::Unconfined,
        Some(profile) => Seccomp::Profile(profile),
    };
    asked.rlimits = new
        .rlimits
        .into_iter()
        .map(|rlimit| Rlimit {
            name: rlimit.name,
            soft: rlimit.soft,
            hard: rlimit.hard,
        })
        .collect();
    asked.sysctls = new.sysctls.into_iter().collect();
    asked.devices = new
        .devices
        .into_iter()
        .map(|device| Device {
            host_path: device.host_path,
            container_path: device.container_path,
            access: device.access,
        })
        .collect();
    asked.health = new.health.and_then(|health| health_check(health, &mut mistakes));
    if let Some(log) = new.log {
        let segments = log.segments.unwrap_or(SEGMENTS);
        asked.log = LogOptions {
            mode: match log.buffer_bytes {
                _ if log.off => LogMode::Off,
                None if log.non_blocking => LogMode::NonBlocking {
                    buffer_bytes: NON_BLOCKING_BUFFER_BYTES,
                },
                Some(buffer_bytes) if log.non_blocking => LogMode::NonBlocking { buffer_bytes },
                None => LogMode::Blocking,
                Some(_) => {
                    mistakes.add(
                        "log.buffer_bytes",
                        "only a log that is `non_blocking` has a buffer".to_owned(),
                    );
                    LogMode::Blocking
                }
            },
            segment_bytes: log.keep_bytes / u64::from(segments.max(1)),
            segments,
            compress: log.compress,
            driver: log.driver.map(|driver| LogDriver {
                name: driver.name,
                options: driver.options.into_iter().collect(),
            }),
        };
    }
    further.apply(&mut asked);
    if mistakes.0.is_empty() {
        Ok(asked)
    } else {
        Err(mistakes.0)
    }
}

/// Containers that open the host are an administrator's to create.
pub(super) fn require_rights(caller: &Caller, asked: &Asked) -> Answer<()> {
    // Below 0 the kernel spares the container and kills processes of the host instead.
    let is_spared = asked.oom_score_adj.is_some_and(|adjustment| adjustment < 0);
    if is_spared && !caller.identity.may(Permission::Administer) {
        return Err(caller.lacks("a negative `oom_score_adj`", Permission::Administer));
    }
    match host_access(&asked.security, &asked.network.mode, &asked.mounts, &asked.devices) {
        Some(opened) if !caller.identity.may(Permission::Administer) => {
            Err(caller.lacks(&opened.to_string(), Permission::Administer))
        }
        _ => Ok(()),
    }
}

/// Only what is given changes; `null` takes a limit away.
pub(super) fn limits(asked: shared::limits::Limits, cpus: u32) -> Limits {
    let ceiling = |amount: Option<u64>| amount.map_or(Ceiling::Unlimited, Ceiling::At);
    let mut limits = Limits::default();
    if let Some(nano_cpus) = asked.nano_cpus {
        limits.cpu = match nano_cpus {
            Some(nano_cpus) => Cpu::from_nano_cpus(nano_cpus),
            None => Cpu {
                quota: Some(Ceiling::Unlimited),
                ..Cpu::default()
            },
        };
    }
    limits.cpu.shares = asked.cpu_shares.map(|shares| shares.unwrap_or(1024));
    limits.cpu.cpus = asked
        .cpus
        .map(|list| list.unwrap_or_else(|| format!("0-{}", cpus.saturating_sub(1))));
    limits.memory.limit = asked.memory_bytes.map(ceiling);
    limits.memory.memory_and_swap = asked.memory_and_swap_bytes.map(ceiling);
    limits.memory.reservation_bytes = asked.memory_reservation_bytes.map(Option::unwrap_or_default);
    limits.pids = asked.pids.map(ceiling);
    limits.io.weight = asked.io_weight.map(|weight| weight.unwrap_or(500));
    limits
}

pub(super) fn restart(restart: Restart) -> Policy {
    match restart.policy {
        RestartPolicy::No => Policy::No,
        RestartPolicy::OnFailure => Policy::OnFailure {
            max_retries: restart.max_retries,
        },
        RestartPolicy::Always => Policy::Always,
        RestartPolicy::UnlessStopped => Policy::UnlessStopped,
    }
}

fn read_mount(mount: shared::create::Mount) -> Mount {
    Mount {
        source: match mount.kind {
            MountKind::Bind => Source::Bind {
                path: mount.source,
                propagation: mount.propagation,
                create: mount.create,
                recursion: match mount.bind_recursive {
                    None | Some(BindRecursive::Enabled) => Recursion::Enabled,
                    Some(BindRecursive::Disabled) => Recursion::Disabled,
                    Some(BindRecursive::Writable) => Recursion::Writable,
                    Some(BindRecursive::ReadOnly) => Recursion::ReadOnly,
                },
            },
            MountKind::Volume => Source::Volume {
                name: mount.source,
                no_copy: mount.no_copy,
            },
            MountKind::Tmpfs => Source::Tmpfs {
                size_bytes: mount.size_bytes,
                mode: mount.mode.or(Some(TMPFS_MODE)),
                options: mount.options,
            },
        },
        target: mount.target,
        read_only: mount.read_only,
    }
}

fn health_check(health: HealthCheck, mistakes: &mut Mistakes) -> Option<Check> {
    let mut time = |field: &str, seconds: Option<f64>| {
        let read = seconds.map(Duration::try_from_secs_f64)?;
        mistakes.take(field, read)
    };
    let (interval, timeout) = (
        time("health.interval", health.interval),
        time("health.timeout", health.timeout),
    );
    let start_period = time("health.start_period", health.start_period);
    let start_interval = time("health.start_interval", health.start_interval);
    let mut command = health.command;
    let test = if health.disabled {
        Probe::None
    } else if command.is_empty() {
        // Only durations are given: the image's command stays, which the engine cannot know here.
        mistakes.add("health.command", "a command is needed, or `disabled`".to_owned());
        return None;
    } else if health.shell {
        Probe::Shell(command.swap_remove(0))
    } else {
        Probe::Command(command)
    };
    Some(Check {
        test,
        interval,
        timeout,
        retries: health.retries,
        start_period,
        start_interval,
    })
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: &str, message: String) {
        self.0.push(Mistake {
            field: field.to_owned(),
            message,
        });
    }

    fn take<T, E: std::fmt::Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(field, error.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_by_its_field() {
        let new = NewContainer {
            image: String::new(),
            name: Some("/a b".to_owned()),
            ports: vec!["80:80".to_owned(), "nonsense".to_owned()],
            stop_signal: Some("SIGNOTHING".to_owned()),
            ..NewContainer::default()
        };
        let mistakes = new_container(new, 2).expect_err("it is wrong");
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["image", "name", "ports[1]", "stop_signal"]);
    }

    #[test]
    fn null_takes_a_limit_away_and_absence_leaves_it() {
        let read: shared::limits::Limits =
            serde_json::from_str(r#"{"pids":null,"nano_cpus":500000000}"#).expect("valid");
        let limits = limits(read, 2);
        assert_eq!(limits.pids, Some(Ceiling::Unlimited));
        assert_eq!(limits.cpu.nano_cpus(), Some(500_000_000));
        assert_eq!(limits.memory.limit, None);
    }
}
