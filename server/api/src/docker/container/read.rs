//! The body of a create request, read completely: each field of it is honoured,
//! means nothing here, or is refused by its name. The patterns name every field,
//! so that a new one does not compile until it is judged.

use super::super::problem::Failure;
use super::super::query::pairs;
use super::read_health::{self, Health};
use super::{read_limits, read_log, read_mounts, read_network, read_security};
use axum::body::Bytes;
use bollard_stubs::models::{ContainerCreateBody, HostConfig, RestartPolicyNameEnum};
use engine::NewContainer;
use model::Signal;
use model::container::health::HealthCheck;
use model::container::spec::{ConsoleSize, Rlimit, StopTimeout};
use model::container::system::SystemChoice;
use model::container::{ContainerName, RestartPolicy};
use serde_json::Value;
use std::time::Duration;

/// A request that is read, and what needs the engine to be completed.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) container: NewContainer,
    /// `NAME[:ro]`: containers whose mounts are taken too.
    pub(super) volumes_from: Vec<String>,
    /// Times for a probe that the image brings.
    pub(super) health_of_image: Option<HealthCheck>,
    /// By the name of the network, where an endpoint's address was given.
    pub(super) mac_addresses: Vec<(String, String)>,
    /// Volumes that get labels when they are made.
    pub(super) labelled_volumes: Vec<(String, Vec<(String, String)>)>,
}

pub(super) fn parse(body: &Bytes) -> Result<ContainerCreateBody, Failure> {
    let mut value: Value = super::super::query::json(body)?;
    // Both may be one string.
    for field in ["Cmd", "Entrypoint"] {
        if let Some(text) = value.get(field).and_then(Value::as_str).map(str::to_owned) {
            value[field] = Value::from(vec![text]);
        }
    }
    if value
        .get("MacAddress")
        .and_then(Value::as_str)
        .is_some_and(|mac| !mac.is_empty())
    {
        return Err(Failure::unsupported("MacAddress"));
    }
    if let Some(host) = value.get("HostConfig") {
        read_limits::refuse_kernel_memory(host)?;
    }
    serde_json::from_value(value).map_err(|error| Failure::invalid(format!("the request's JSON is wrong: {error}")))
}

pub(super) fn request(body: ContainerCreateBody, name: Option<&str>) -> Result<Request, Failure> {
    let ContainerCreateBody {
        hostname,
        domainname,
        user,
        // Which streams a client joins is said when it attaches.
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        exposed_ports,
        tty,
        open_stdin,
        stdin_once,
        env,
        cmd,
        healthcheck,
        // Of another operating system.
        args_escaped: _,
        image,
        volumes,
        working_dir,
        entrypoint,
        network_disabled,
        // Of builds.
        on_build: _,
        labels,
        stop_signal,
        stop_timeout,
        shell,
        host_config,
        networking_config,
    } = body;
    let image = text(image).ok_or_else(|| Failure::invalid("no image was specified"))?;
    let mut container = NewContainer::of_image(image);
    container.name = name
        .map(|name| {
            ContainerName::parse(name).map_err(|_| {
                Failure::invalid(format!(
                    "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
                ))
            })
        })
        .transpose()?;
    container.hostname = text(hostname);
    container.domainname = text(domainname);
    container.user = text(user);
    container.terminal = tty.unwrap_or(false);
    container.stdin_open = open_stdin.unwrap_or(false);
    container.stdin_once = stdin_once.unwrap_or(false);
    container.env = env.unwrap_or_default();
    container.working_dir = text(working_dir);
    container.labels = pairs(labels);
    // An empty list takes the image's; one empty word takes nothing.
    container.entrypoint = list(entrypoint).map(|words| if words == [""] { Vec::new() } else { words });
    container.command = list(cmd);
    if list(shell).is_some() {
        return Err(Failure::unsupported("Shell"));
    }
    container.stop_signal = text(stop_signal).map(|signal| parse_signal(&signal)).transpose()?;
    container.stop_timeout = stop_timeout.map(read_stop_timeout);
    container.network.exposed = exposed_ports.unwrap_or_default();
    container.anonymous_volumes = volumes.unwrap_or_default();
    let health_of_image = match healthcheck.map(read_health::health).transpose()? {
        Some(Health::Complete(health)) => {
            container.health = Some(health);
            None
        }
        Some(Health::OfImage(times)) => Some(times),
        Some(Health::Nothing) | None => None,
    };
    let mut request = Request {
        container,
        volumes_from: Vec::new(),
        health_of_image,
        mac_addresses: Vec::new(),
        labelled_volumes: Vec::new(),
    };
    read_host_config(host_config.unwrap_or_default(), &mut request)?;
    request.mac_addresses = read_network::networking(networking_config, &request.container.network.mode)?;
    if network_disabled == Some(true) {
        request.container.network.mode = model::network::NetworkMode::None;
    }
    Ok(request)
}

fn read_host_config(host: HostConfig, request: &mut Request) -> Result<(), Failure> {
    read_limits::limits(&host, &mut request.container)?;
    read_security::security(&host, &mut request.container)?;
    read_network::network(&host, &mut request.container)?;
    read_mounts::mounts(&host, request)?;
    let container = &mut request.container;
    let HostConfig {
        log_config,
        restart_policy,
        auto_remove,
        oom_score_adj,
        readonly_rootfs,
        shm_size,
        sysctls,
        init,
        ulimits,
        storage_opt,
        runtime,
        isolation,
        annotations,
        console_size,
        // A file of the client's.
        container_id_file: _,
        // Of no meaning any more.
        cgroup: _,
        // Read above, each by the function that its kind has.
        cpu_shares: _,
        memory: _,
        cgroup_parent: _,
        blkio_weight: _,
        blkio_weight_device: _,
        blkio_device_read_bps: _,
        blkio_device_write_bps: _,
        blkio_device_read_iops: _,
        blkio_device_write_iops: _,
        cpu_period: _,
        cpu_quota: _,
        cpu_realtime_period: _,
        cpu_realtime_runtime: _,
        cpuset_cpus: _,
        cpuset_mems: _,
        devices: _,
        device_cgroup_rules: _,
        device_requests: _,
        memory_reservation: _,
        memory_swap: _,
        memory_swappiness: _,
        nano_cpus: _,
        oom_kill_disable: _,
        pids_limit: _,
        cpu_count: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
        binds: _,
        network_mode: _,
        port_bindings: _,
        volume_driver: _,
        volumes_from: _,
        mounts: _,
        cap_add: _,
        cap_drop: _,
        cgroupns_mode: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        group_add: _,
        ipc_mode: _,
        links: _,
        pid_mode: _,
        privileged: _,
        publish_all_ports: _,
        security_opt: _,
        tmpfs: _,
        uts_mode: _,
        userns_mode: _,
        masked_paths: _,
        readonly_paths: _,
    } = host;
    container.restart = restart_policy.map(read_restart).transpose()?.unwrap_or_default();
    container.auto_remove = auto_remove.unwrap_or(false);
    if container.auto_remove && container.restart != RestartPolicy::No {
        return Err(Failure::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    container.oom_score_adj = oom_score_adj
        .map(|adjustment| {
            i32::try_from(adjustment)
                .ok()
                .filter(|adjustment| (-1000..=1000).contains(adjustment))
                .ok_or_else(|| {
                    Failure::invalid(format!(
                        "Invalid value {adjustment}, range for oom score adj is [-1000, 1000]"
                    ))
                })
        })
        .transpose()?
        .filter(|adjustment| *adjustment != 0);
    container.read_only_root = readonly_rootfs.unwrap_or(false);
    container.shm_bytes = match shm_size {
        None | Some(0) => None,
        Some(bytes) => Some(u64::try_from(bytes).map_err(|_| Failure::invalid("SHM size can not be less than 0"))?),
    }
    // As inspections show it where nothing was asked for.
    .filter(|bytes| *bytes != super::inspect::DEFAULT_SHM_BYTES);
    container.sysctls = pairs(sysctls);
    container.init = init.unwrap_or(false);
    container.rlimits = ulimits.unwrap_or_default().into_iter().map(read_ulimit).collect();
    container.log = log_config
        .map(|log| read_log::log(log.typ.as_deref().unwrap_or_default(), log.config.unwrap_or_default()))
        .transpose()?
        .unwrap_or_default();
    if storage_opt.is_some_and(|options| !options.is_empty()) {
        return Err(Failure::unsupported("HostConfig.StorageOpt"));
    }
    container.console_size = read_console_size(console_size.as_deref())?;
    container.annotations = pairs(annotations);
    container.system = system_choice(&mut container.annotations, &container.labels)?;
    if isolation.is_some_and(|isolation| !matches!(isolation.to_string().as_str(), "" | "default")) {
        return Err(Failure::unsupported("HostConfig.Isolation"));
    }
    match runtime.as_deref() {
        None | Some("" | "gantry" | "gantry-runtime" | "runc" | "io.containerd.runc.v2") => Ok(()),
        Some(other) => Err(Failure::invalid(format!("unknown or invalid runtime name: {other}"))),
    }
}

/// Whether the container is a whole system may be asked for by an annotation, which is
/// taken out then, or by a label.
fn system_choice(
    annotations: &mut Vec<(String, String)>,
    labels: &[(String, String)],
) -> Result<SystemChoice, Failure> {
    const KEY: &str = "gantry.system";
    let own: Vec<(String, String)> = annotations.extract_if(.., |(key, _)| key == KEY).collect();
    let asked = own.iter().chain(labels).find(|(key, _)| key == KEY);
    match asked {
        Some((_, word)) => {
            SystemChoice::parse(word).map_err(|error| Failure::invalid(format!("invalid {KEY}: {error}")))
        }
        None => Ok(SystemChoice::Auto),
    }
}

/// Height and width; zeros leave both to the engine.
fn read_console_size(size: Option<&[usize]>) -> Result<Option<ConsoleSize>, Failure> {
    let invalid = || Failure::invalid("HostConfig.ConsoleSize: it is the height and the width, each below 65536");
    let side = |number: usize| u16::try_from(number).map_err(|_| invalid());
    match size {
        None | Some([]) => Ok(None),
        Some(&[rows, columns]) => {
            let (rows, columns) = (side(rows)?, side(columns)?);
            Ok((rows > 0 && columns > 0).then_some(ConsoleSize { rows, columns }))
        }
        Some(_) => Err(invalid()),
    }
}

/// `None` for the empty text, which means nothing was said.
pub(in crate::docker) fn text(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

fn list(value: Option<Vec<String>>) -> Option<Vec<String>> {
    value.filter(|words| !words.is_empty())
}

pub(super) fn parse_signal(text: &str) -> Result<Signal, Failure> {
    Signal::parse(text).map_err(|_| Failure::invalid(format!("invalid signal: {text}")))
}

/// Seconds; below zero waits for ever.
pub(super) fn read_stop_timeout(seconds: i64) -> StopTimeout {
    match u64::try_from(seconds) {
        Ok(seconds) => StopTimeout::After(Duration::from_secs(seconds)),
        Err(_) => StopTimeout::Never,
    }
}

pub(super) fn read_restart(policy: bollard_stubs::models::RestartPolicy) -> Result<RestartPolicy, Failure> {
    let count = policy.maximum_retry_count.unwrap_or(0);
    let read = match policy.name.unwrap_or(RestartPolicyNameEnum::EMPTY) {
        RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO => RestartPolicy::No,
        RestartPolicyNameEnum::ALWAYS => RestartPolicy::Always,
        RestartPolicyNameEnum::UNLESS_STOPPED => RestartPolicy::UnlessStopped,
        RestartPolicyNameEnum::ON_FAILURE => {
            let count = u32::try_from(count)
                .map_err(|_| Failure::invalid("invalid restart policy: maximum retry count cannot be negative"))?;
            return Ok(RestartPolicy::OnFailure {
                max_retries: (count > 0).then_some(count),
            });
        }
    };
    if count == 0 {
        Ok(read)
    } else {
        Err(Failure::invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ))
    }
}

pub(in crate::docker) fn read_ulimit(ulimit: bollard_stubs::models::ResourcesUlimits) -> Rlimit {
    // −1 is no ceiling.
    let amount = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(u64::MAX);
    Rlimit {
        name: ulimit.name.unwrap_or_default().to_ascii_lowercase(),
        soft: amount(ulimit.soft),
        hard: amount(ulimit.hard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::health::Probe;
    use model::container::limits::Ceiling;
    use model::network::NetworkMode;

    /// What the docker client sends for a container with a bit of everything.
    const BODY: &str = include_str!("create_body.json");

    fn read(change: impl FnOnce(&mut Value)) -> Result<NewContainer, Failure> {
        let mut value: Value = serde_json::from_str(BODY).expect("JSON");
        change(&mut value);
        let body = parse(&Bytes::from(value.to_string()))?;
        request(body, Some("web")).map(|request| request.container)
    }

    #[test]
    fn everything_the_client_asks_for_arrives() {
        let container = read(|_| {}).expect("valid");
        assert_eq!(container.name.expect("given").as_str(), "web");
        assert_eq!(container.image, "busybox:1");
        assert_eq!(container.command, Some(vec!["sh".to_owned()]));
        assert_eq!(container.entrypoint, None);
        assert_eq!(container.env, ["A=b"]);
        assert_eq!(container.user.as_deref(), Some("1:1"));
        assert_eq!(container.working_dir.as_deref(), Some("/w"));
        assert!(container.terminal && container.stdin_open && container.init);
        assert_eq!(container.network.mode, NetworkMode::Bridge);
        assert_eq!(container.network.ports[0].to_string(), "127.0.0.1:8080:80/tcp");
        assert_eq!(container.network.exposed, ["80/tcp"]);
        assert_eq!(container.network.extra_hosts, ["a:1.2.3.4"]);
        let targets: Vec<&str> = container.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/t", "/d", "/m", "/run"]);
        assert_eq!(container.anonymous_volumes, ["/anon"]);
        assert_eq!(container.limits.memory.limit, Some(Ceiling::At(64 << 20)));
        assert_eq!(container.limits.memory.memory_and_swap, Some(Ceiling::At(128 << 20)));
        assert_eq!(container.limits.cpu.nano_cpus(), Some(500_000_000));
        assert_eq!(container.limits.pids, Some(Ceiling::At(10)));
        assert_eq!(container.restart, RestartPolicy::OnFailure { max_retries: Some(3) });
        assert_eq!(container.health.expect("given").test, Probe::Shell("true".to_owned()));
        assert_eq!((container.log.segment_bytes, container.log.segments), (1 << 20, 1));
        assert!(container.security.no_new_privileges);
        assert_eq!(container.security.cap_drop, ["ALL"]);
        assert_eq!((container.rlimits[0].soft, container.rlimits[0].hard), (10, 20));
        assert_eq!(container.devices[0].access, "rwm");
    }

    #[test]
    fn one_word_is_a_list_of_one_and_an_empty_word_is_none() {
        let container = read(|body| {
            body["Cmd"] = "ls".into();
            body["Entrypoint"] = Value::from(vec![""]);
        });
        let container = container.expect("valid");
        assert_eq!(container.command, Some(vec!["ls".to_owned()]));
        assert_eq!(container.entrypoint, Some(Vec::new()));
    }

    #[test]
    fn a_system_is_asked_for_by_annotation_or_label() {
        let system = |place: fn(&mut Value) -> &mut Value, word: &str| {
            let mut value: Value = serde_json::from_str(BODY).expect("JSON");
            *place(&mut value) = serde_json::json!({ "gantry.system": word });
            let body = parse(&Bytes::from(value.to_string()))?;
            request(body, Some("web")).map(|request| request.container.system)
        };
        let annotations: fn(&mut Value) -> &mut Value = |body| &mut body["HostConfig"]["Annotations"];
        let labels: fn(&mut Value) -> &mut Value = |body| &mut body["Labels"];
        assert_eq!(system(annotations, "always").expect("valid"), SystemChoice::Always);
        assert_eq!(system(labels, "never").expect("valid"), SystemChoice::Never);
        assert!(system(labels, "perhaps").is_err());
        let both = serde_json::json!({ "gantry.system": "never", "a": "b" });
        let container = read(|body| body["HostConfig"]["Annotations"] = both).expect("valid");
        assert_eq!(container.annotations, [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn the_size_of_the_terminal_is_taken_and_one_that_cannot_be_is_refused() {
        let size = |size: Value| {
            let container = read(|body| body["HostConfig"]["ConsoleSize"] = size)?;
            Ok::<_, Failure>(container.console_size.map(|size| (size.rows, size.columns)))
        };
        assert_eq!(size(serde_json::json!([37, 123])).expect("valid"), Some((37, 123)));
        assert_eq!(size(serde_json::json!([0, 0])).expect("valid"), None);
        assert!(size(serde_json::json!([1, 70000])).is_err() && size(serde_json::json!([1])).is_err());
    }

    #[test]
    fn what_is_not_there_is_refused_by_its_name() {
        let refused = |change: fn(&mut Value)| read(change).expect_err("refused").message;
        assert!(refused(|body| body["HostConfig"]["Runtime"] = "kata".into()).contains("kata"));
        assert!(refused(|body| body["HostConfig"]["Links"] = Value::from(vec!["a"])).contains("Links"));
        assert!(refused(|body| body["MacAddress"] = "02:42:00:00:00:01".into()).contains("MacAddress"));
        assert!(refused(|body| body["HostConfig"]["AutoRemove"] = true.into()).contains("AutoRemove"));
        assert!(refused(|body| body["HostConfig"]["NetworkMode"] = "web".into()).contains("network web not found"));
        assert!(refused(|body| body["Image"] = "".into()).contains("image"));
        assert!(refused(|body| body["HostConfig"]["KernelMemoryTCP"] = 4096.into()).contains("KernelMemoryTCP"));
        assert!(refused(|body| body["HostConfig"]["KernelMemory"] = 4096.into()).contains("KernelMemory"));
        let endpoints = |body: &mut Value, names: &[&str]| {
            let endpoints = names.iter().map(|name| ((*name).to_owned(), serde_json::json!({})));
            body["NetworkingConfig"]["EndpointsConfig"] = Value::Object(endpoints.collect());
        };
        assert!(read(|body| endpoints(body, &["bridge"])).is_ok());
        assert!(read(|body| endpoints(body, &["default"])).is_ok());
        let other = read(|body| endpoints(body, &["host"])).expect_err("another network");
        assert!(other.message.contains("host"), "{other:?}");
        let two = read(|body| endpoints(body, &["bridge", "host"])).expect_err("two networks");
        assert!(two.message.contains("bridge, host"), "{two:?}");
    }

    #[test]
    fn a_field_nobody_knows_is_ignored() {
        assert!(read(|body| body["Colour"] = "red".into()).is_ok());
    }
}
