use super::health::{HealthForm, health, health_form};
use super::{limits, mount, ports};
use model::Signal;
use model::container::spec::{
    ConsoleSize, Device, ImageChoice, LogDriver, LogMode, LogOptions, NamespaceMode, Network, Process, Rlimit, Seccomp,
    Security, Spec, StopTimeout,
};
use model::container::{ContainerName, RestartPolicy, UserNamespace};
use model::image::{Digest, Reference};
use model::network::NetworkMode;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Serialize, Deserialize)]
struct Form {
    name: String,
    image: String,
    image_id: String,
    process: ProcessForm,
    hostname: Option<String>,
    domainname: Option<String>,
    labels: Vec<(String, String)>,
    network: NetworkForm,
    mounts: Vec<mount::Form>,
    limits: limits::Form,
    security: SecurityForm,
    restart: RestartForm,
    auto_remove: bool,
    stop_signal: Option<i32>,
    /// Milliseconds; -1 waits for ever.
    stop_timeout_ms: Option<i64>,
    init: bool,
    #[serde(default)]
    system: bool,
    read_only_root: bool,
    shm_bytes: Option<u64>,
    rlimits: Vec<(String, u64, u64)>,
    sysctls: Vec<(String, String)>,
    devices: Vec<DeviceForm>,
    oom_score_adj: Option<i32>,
    health: Option<HealthForm>,
    log: LogForm,
    #[serde(default)]
    annotations: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct ProcessForm {
    entrypoint: Vec<String>,
    command: Vec<String>,
    env: Vec<String>,
    working_dir: String,
    user: String,
    groups: Vec<String>,
    terminal: bool,
    stdin_open: bool,
    stdin_once: bool,
    /// Rows and columns.
    #[serde(default)]
    console_size: Option<(u16, u16)>,
}

#[derive(Serialize, Deserialize)]
struct NetworkForm {
    mode: NetworkModeForm,
    ports: Vec<String>,
    exposed: Vec<String>,
    publish_all: bool,
    dns: Vec<String>,
    dns_search: Vec<String>,
    dns_options: Vec<String>,
    extra_hosts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NetworkModeForm {
    Bridge,
    None,
    Host,
}

#[derive(Serialize, Deserialize)]
struct SecurityForm {
    privileged: bool,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    no_new_privileges: bool,
    seccomp: SeccompForm,
    host_pid: bool,
    host_ipc: bool,
    host_uts: bool,
    host_cgroup: bool,
    #[serde(default)]
    users: UsersForm,
    masked_paths: Option<Vec<String>>,
    readonly_paths: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum UsersForm {
    /// Also what containers have that are older than the choice.
    #[default]
    Server,
    Host,
    Own,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeccompForm {
    Default,
    Unconfined,
    Profile(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RestartForm {
    No,
    OnFailure { max_retries: Option<u32> },
    Always,
    UnlessStopped,
}

#[derive(Serialize, Deserialize)]
struct DeviceForm {
    host_path: String,
    container_path: String,
    access: String,
}

#[derive(Serialize, Deserialize)]
struct LogForm {
    /// Nothing is kept.
    #[serde(default)]
    off: bool,
    /// Bytes of the buffer of a log that never makes the container wait.
    non_blocking_bytes: Option<u64>,
    segment_bytes: u64,
    segments: u32,
    #[serde(default)]
    compress: bool,
    #[serde(default)]
    driver: Option<LogDriverForm>,
}

#[derive(Serialize, Deserialize)]
struct LogDriverForm {
    name: String,
    options: Vec<(String, String)>,
}

pub(crate) fn write(spec: &Spec) -> String {
    serde_json::to_string(&form(spec.clone())).expect("plain data is JSON")
}

pub(crate) fn read(text: &str) -> Result<Spec, String> {
    spec(serde_json::from_str(text).map_err(|e| e.to_string())?)
}

fn form(spec: Spec) -> Form {
    let Spec {
        process,
        network,
        security,
        ..
    } = spec;
    Form {
        name: spec.name.as_str().to_owned(),
        image: spec.image.reference.to_string(),
        image_id: spec.image.id.as_str().to_owned(),
        process: ProcessForm {
            entrypoint: process.entrypoint,
            command: process.command,
            env: process.env,
            working_dir: process.working_dir,
            user: process.user,
            groups: process.groups,
            terminal: process.terminal,
            stdin_open: process.stdin_open,
            stdin_once: process.stdin_once,
            console_size: process.console_size.map(|size| (size.rows, size.columns)),
        },
        hostname: spec.hostname,
        domainname: spec.domainname,
        labels: spec.labels,
        network: NetworkForm {
            mode: match network.mode {
                NetworkMode::Bridge => NetworkModeForm::Bridge,
                NetworkMode::None => NetworkModeForm::None,
                NetworkMode::Host => NetworkModeForm::Host,
            },
            ports: ports::texts(&network.ports),
            exposed: network.exposed,
            publish_all: network.publish_all,
            dns: network.dns,
            dns_search: network.dns_search,
            dns_options: network.dns_options,
            extra_hosts: network.extra_hosts,
        },
        mounts: spec.mounts.into_iter().map(Into::into).collect(),
        limits: spec.limits.into(),
        security: SecurityForm {
            privileged: security.privileged,
            cap_add: security.cap_add,
            cap_drop: security.cap_drop,
            no_new_privileges: security.no_new_privileges,
            seccomp: match security.seccomp {
                Seccomp::Default => SeccompForm::Default,
                Seccomp::Unconfined => SeccompForm::Unconfined,
                Seccomp::Profile(json) => SeccompForm::Profile(json),
            },
            host_pid: security.pid == NamespaceMode::Host,
            host_ipc: security.ipc == NamespaceMode::Host,
            host_uts: security.uts == NamespaceMode::Host,
            host_cgroup: security.cgroup == NamespaceMode::Host,
            users: match security.users {
                UserNamespace::Server => UsersForm::Server,
                UserNamespace::Host => UsersForm::Host,
                UserNamespace::Own => UsersForm::Own,
            },
            masked_paths: security.masked_paths,
            readonly_paths: security.readonly_paths,
        },
        restart: match spec.restart {
            RestartPolicy::No => RestartForm::No,
            RestartPolicy::OnFailure { max_retries } => RestartForm::OnFailure { max_retries },
            RestartPolicy::Always => RestartForm::Always,
            RestartPolicy::UnlessStopped => RestartForm::UnlessStopped,
        },
        auto_remove: spec.auto_remove,
        stop_signal: spec.stop_signal.map(Signal::number),
        stop_timeout_ms: spec.stop_timeout.map(|timeout| match timeout {
            StopTimeout::Never => -1,
            StopTimeout::After(wait) => i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
        }),
        init: spec.init,
        system: spec.system,
        read_only_root: spec.read_only_root,
        shm_bytes: spec.shm_bytes,
        rlimits: spec.rlimits.into_iter().map(|r| (r.name, r.soft, r.hard)).collect(),
        sysctls: spec.sysctls,
        devices: spec
            .devices
            .into_iter()
            .map(
                |Device {
                     host_path,
                     container_path,
                     access,
                 }| DeviceForm {
                    host_path,
                    container_path,
                    access,
                },
            )
            .collect(),
        oom_score_adj: spec.oom_score_adj,
        health: spec.health.map(health_form),
        log: LogForm {
            off: spec.log.mode == LogMode::Off,
            non_blocking_bytes: match spec.log.mode {
                LogMode::Off | LogMode::Blocking => None,
                LogMode::NonBlocking { buffer_bytes } => Some(buffer_bytes),
            },
            segment_bytes: spec.log.segment_bytes,
            segments: spec.log.segments,
            compress: spec.log.compress,
            driver: spec.log.driver.map(|driver| LogDriverForm {
                name: driver.name,
                options: driver.options,
            }),
        },
        annotations: spec.annotations,
    }
}

fn spec(form: Form) -> Result<Spec, String> {
    let Form {
        process,
        network,
        security,
        ..
    } = form;
    let namespace = |host| {
        if host {
            NamespaceMode::Host
        } else {
            NamespaceMode::Private
        }
    };
    Ok(Spec {
        name: ContainerName::parse(&form.name).map_err(|e| e.to_string())?,
        image: ImageChoice {
            reference: Reference::parse(&form.image).map_err(|e| e.to_string())?,
            id: Digest::parse(&form.image_id).map_err(|e| e.to_string())?,
        },
        process: Process {
            entrypoint: process.entrypoint,
            command: process.command,
            env: process.env,
            working_dir: process.working_dir,
            user: process.user,
            groups: process.groups,
            terminal: process.terminal,
            stdin_open: process.stdin_open,
            stdin_once: process.stdin_once,
            console_size: process
                .console_size
                .map(|(rows, columns)| ConsoleSize { rows, columns }),
        },
        hostname: form.hostname,
        domainname: form.domainname,
        labels: form.labels,
        network: Network {
            mode: match network.mode {
                NetworkModeForm::Bridge => NetworkMode::Bridge,
                NetworkModeForm::None => NetworkMode::None,
                NetworkModeForm::Host => NetworkMode::Host,
            },
            ports: ports::parse(&network.ports)?,
            exposed: network.exposed,
            publish_all: network.publish_all,
            dns: network.dns,
            dns_search: network.dns_search,
            dns_options: network.dns_options,
            extra_hosts: network.extra_hosts,
        },
        mounts: form.mounts.into_iter().map(Into::into).collect(),
        limits: form.limits.into(),
        security: Security {
            privileged: security.privileged,
            cap_add: security.cap_add,
            cap_drop: security.cap_drop,
            no_new_privileges: security.no_new_privileges,
            seccomp: match security.seccomp {
                SeccompForm::Default => Seccomp::Default,
                SeccompForm::Unconfined => Seccomp::Unconfined,
                SeccompForm::Profile(json) => Seccomp::Profile(json),
            },
            pid: namespace(security.host_pid),
            ipc: namespace(security.host_ipc),
            uts: namespace(security.host_uts),
            cgroup: namespace(security.host_cgroup),
            users: match security.users {
                UsersForm::Server => UserNamespace::Server,
                UsersForm::Host => UserNamespace::Host,
                UsersForm::Own => UserNamespace::Own,
            },
            masked_paths: security.masked_paths,
            readonly_paths: security.readonly_paths,
        },
        restart: match form.restart {
            RestartForm::No => RestartPolicy::No,
            RestartForm::OnFailure { max_retries } => RestartPolicy::OnFailure { max_retries },
            RestartForm::Always => RestartPolicy::Always,
            RestartForm::UnlessStopped => RestartPolicy::UnlessStopped,
        },
        auto_remove: form.auto_remove,
        stop_signal: form
            .stop_signal
            .map(|n| Signal::from_number(n).ok_or(format!("stop signal {n}")))
            .transpose()?,
        stop_timeout: form.stop_timeout_ms.map(|ms| match u64::try_from(ms) {
            Ok(ms) => StopTimeout::After(Duration::from_millis(ms)),
            Err(_) => StopTimeout::Never,
        }),
        init: form.init,
        system: form.system,
        read_only_root: form.read_only_root,
        shm_bytes: form.shm_bytes,
        rlimits: form
            .rlimits
            .into_iter()
            .map(|(name, soft, hard)| Rlimit { name, soft, hard })
            .collect(),
        sysctls: form.sysctls,
        devices: form
            .devices
            .into_iter()
            .map(
                |DeviceForm {
                     host_path,
                     container_path,
                     access,
                 }| Device {
                    host_path,
                    container_path,
                    access,
                },
            )
            .collect(),
        oom_score_adj: form.oom_score_adj,
        health: form.health.map(health),
        log: LogOptions {
            mode: match form.log.non_blocking_bytes {
                _ if form.log.off => LogMode::Off,
                None => LogMode::Blocking,
                Some(buffer_bytes) => LogMode::NonBlocking { buffer_bytes },
            },
            segment_bytes: form.log.segment_bytes,
            segments: form.log.segments,
            compress: form.log.compress,
            driver: form.log.driver.map(|driver| LogDriver {
                name: driver.name,
                options: driver.options,
            }),
        },
        annotations: form.annotations,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::container::health::{HealthCheck, Probe};
    use model::container::limits::{Ceiling, Cpu, DeviceAmount, Io, Limits, Memory};
    use model::mount::{Mount, Source};
    use model::network::PortMapping;

    /// A spec in which nothing is left at its default.
    pub(crate) fn full(name: &str) -> Spec {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let amount = vec![DeviceAmount {
            major: 8,
            minor: 0,
            amount: 1000,
        }];
        Spec {
            name: ContainerName::parse(name).expect("a name"),
            image: ImageChoice {
                reference: Reference::parse("busybox").expect("a reference"),
                id: Digest::parse(&format!("sha256:{}", "a".repeat(64))).expect("a digest"),
            },
            process: Process {
                entrypoint: words("/bin/sh -c"),
                command: words("echo hi"),
                env: words("A=1 B=2"),
                working_dir: "/srv".into(),
                user: "1000:1000".into(),
                groups: words("audio"),
                terminal: true,
                stdin_open: true,
                stdin_once: true,
                console_size: Some(ConsoleSize { rows: 37, columns: 123 }),
            },
            hostname: Some("web".into()),
            domainname: Some("example".into()),
            labels: vec![("a".into(), "b".into())],
            network: Network {
                mode: NetworkMode::Host,
                ports: PortMapping::parse("127.0.0.1:8080:80/udp").expect("a mapping"),
                exposed: words("80/tcp"),
                publish_all: true,
                dns: words("1.1.1.1"),
                dns_search: words("example"),
                dns_options: words("ndots:1"),
                extra_hosts: words("db:10.0.0.1"),
            },
            mounts: vec![
                Mount::parse("/srv:/srv:ro,rslave").expect("a mount"),
                Mount::parse("data:/data").expect("a mount"),
                Mount::parse("empty:/empty:nocopy").expect("a mount"),
                Mount {
                    source: Source::Tmpfs {
                        size_bytes: Some(1),
                        mode: Some(0o700),
                        options: words("noexec"),
                    },
                    target: "/tmp".into(),
                    read_only: false,
                },
            ],
            limits: Limits {
                memory: Memory {
                    limit: Some(Ceiling::At(64 << 20)),
                    memory_and_swap: Some(Ceiling::Unlimited),
                    reservation_bytes: Some(1),
                    swappiness: Some(10),
                    oom_kill_disabled: true,
                },
                cpu: Cpu {
                    shares: Some(512),
                    quota: Some(Ceiling::At(50_000)),
                    period_us: Some(100_000),
                    burst_us: Some(1),
                    cpus: Some("0".into()),
                    mems: Some("0".into()),
                    idle: Some(true),
                },
                pids: Some(Ceiling::Unlimited),
                io: Io {
                    weight: Some(100),
                    weight_device: amount.clone(),
                    read_bps: amount.clone(),
                    write_bps: amount.clone(),
                    read_iops: amount.clone(),
                    write_iops: amount,
                },
                unified: vec![("memory.high".into(), "1".into())],
            },
            security: Security {
                privileged: true,
                cap_add: words("NET_ADMIN"),
                cap_drop: words("ALL"),
                no_new_privileges: true,
                seccomp: Seccomp::Profile("{}".into()),
                pid: NamespaceMode::Host,
                ipc: NamespaceMode::Private,
                uts: NamespaceMode::Host,
                cgroup: NamespaceMode::Private,
                users: UserNamespace::Own,
                masked_paths: Some(vec![]),
                readonly_paths: Some(words("/proc/sys")),
            },
            restart: RestartPolicy::OnFailure { max_retries: Some(3) },
            auto_remove: true,
            stop_signal: Some(Signal::QUIT),
            stop_timeout: Some(StopTimeout::Never),
            init: true,
            system: true,
            read_only_root: true,
            shm_bytes: Some(1 << 20),
            rlimits: vec![Rlimit {
                name: "nofile".into(),
                soft: 1,
                hard: u64::MAX,
            }],
            sysctls: vec![("net.ipv4.ip_forward".into(), "1".into())],
            devices: vec![Device {
                host_path: "/dev/null".into(),
                container_path: "/dev/x".into(),
                access: "rw".into(),
            }],
            oom_score_adj: Some(-5),
            health: Some(HealthCheck {
                test: Probe::Shell("true".into()),
                interval: Some(Duration::from_secs(1)),
                timeout: None,
                retries: Some(2),
                start_period: Some(Duration::from_millis(5)),
                start_interval: None,
            }),
            log: LogOptions {
                mode: LogMode::NonBlocking { buffer_bytes: 1 << 20 },
                segment_bytes: 5,
                segments: 6,
                compress: true,
                driver: Some(LogDriver {
                    name: "local".into(),
                    options: vec![("max-file".into(), "6".into())],
                }),
            },
            annotations: vec![("a".into(), "b".into())],
        }
    }

    #[test]
    fn a_full_spec_reads_back_as_itself() {
        let spec = full("web");
        assert_eq!(read(&write(&spec)), Ok(spec));
    }

    #[test]
    fn a_limit_never_asked_for_stays_so() {
        let spec = Spec {
            limits: Limits::default(),
            ..full("web")
        };
        assert_eq!(read(&write(&spec)).map(|s| s.limits), Ok(Limits::default()));
    }
}
