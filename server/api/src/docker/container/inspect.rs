//! `GET /containers/{id}/json`

use super::show_mounts::ShownMounts;
use super::{list, read_log, show};
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use axum::Json;
use axum::extract::{Path, State};
use engine::{Container, Engine, ExecState, NewContainer, Volume};
use model::container::health::{HealthCheck, Probe};
use model::container::limits::{Ceiling, DEFAULT_PERIOD_US, DeviceAmount};
use model::container::spec::{NamespaceMode, Seccomp, Spec, StopTimeout};
use model::container::{Limits, RestartPolicy, UserNamespace};
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) const DEFAULT_SHM_BYTES: u64 = 64 << 20;

pub(in crate::docker) async fn inspect(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Failure> {
    let container = engine.inspect(&engine.find(&name)?)?;
    let volumes = engine.volumes().await?;
    let again = engine.recreation(&container.id).await?;
    let mut shown = show_all(&engine, &container, &volumes, &again);
    if query.flag("size") {
        let (writable, root) = list::sizes(&engine).await?(&container);
        shown["SizeRw"] = writable.into();
        shown["SizeRootFs"] = root.into();
    }
    Ok(Json(shown))
}

/// `again` is the request that creates the container again: clients send what they read in
/// `Config` and `HostConfig` back to do that.
fn show_all(engine: &Engine, container: &Container, volumes: &[Volume], again: &NewContainer) -> Value {
    let host = engine.host_info();
    let spec = &container.spec;
    let folder = host.data_dir.join("containers").join(container.id.as_str());
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let arguments = spec.process.arguments();
    let running_execs: Vec<String> = engine
        .execs(&container.id)
        .into_iter()
        .filter(|exec| matches!(exec.state, ExecState::Running { .. }))
        .map(|exec| exec.id.to_string())
        .collect();
    let driver = host.snapshotter.snapshotter.docker_name();
    let networks = show::networks(container, &host);
    let endpoint = &networks[show::network_mode(&spec.network.mode)];
    let sandbox = if container.is_running() {
        container.id.as_str()
    } else {
        ""
    };
    json!({
        "Id": container.id.as_str(),
        "Created": container.created.to_string(),
        "Path": arguments.first().map_or("", String::as_str),
        "Args": arguments.get(1..).unwrap_or_default(),
        "State": show::state(container),
        "Image": spec.image.id.as_str(),
        "ResolvConfPath": file("etc/resolv.conf"),
        "HostnamePath": file("etc/hostname"),
        "HostsPath": file("etc/hosts"),
        "LogPath": file("log"),
        "Name": format!("/{}", spec.name),
        "RestartCount": container.restart_count,
        "Driver": driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": if running_execs.is_empty() { Value::Null } else { running_execs.into() },
        "HostConfig": host_config(spec, again),
        "GraphDriver": { "Name": driver, "Data": null },
        "Mounts": show::mounts(&spec.mounts, volumes),
        "Config": config(container, again, &host.hostname),
        "NetworkSettings": {
            "Bridge": "",
            "SandboxID": sandbox,
            "SandboxKey": "",
            "Ports": if container.is_running() { show::port_map(container, &container.ports) } else { json!({}) },
            "HairpinMode": false,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": null,
            "SecondaryIPv6Addresses": null,
            "EndpointID": endpoint["EndpointID"],
            "Gateway": endpoint["Gateway"],
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "IPAddress": endpoint["IPAddress"],
            "IPPrefixLen": endpoint["IPPrefixLen"],
            "IPv6Gateway": "",
            "MacAddress": endpoint["MacAddress"],
            "Networks": networks,
        },
    })
}

fn config(container: &Container, again: &NewContainer, host_name: &str) -> Value {
    let spec = &container.spec;
    let process = &spec.process;
    let mut config = json!({
        "Hostname": spec.hostname.as_deref().unwrap_or(match spec.security.uts {
            NamespaceMode::Private => container.id.short(),
            NamespaceMode::Host => host_name,
        }),
        "Domainname": spec.domainname.clone().unwrap_or_default(),
        "User": process.user,
        "AttachStdin": process.stdin_once,
        "AttachStdout": process.stdin_once,
        "AttachStderr": process.stdin_once,
        "Tty": process.terminal,
        "OpenStdin": process.stdin_open,
        "StdinOnce": process.stdin_once,
        "Env": again.env,
        "Cmd": or_null(&process.command),
        "Image": show::image_name(&spec.image.reference),
        "Volumes": volume_targets(&again.anonymous_volumes),
        "WorkingDir": process.working_dir,
        "Entrypoint": match again.entrypoint.as_deref() {
            None => Value::Null,
            // One empty word removes the image's.
            Some([]) => json!([""]),
            Some(words) => words.into(),
        },
        "OnBuild": null,
        "Labels": show::labels(&spec.labels),
    });
    if !spec.network.exposed.is_empty() {
        let ports: Map<String, Value> = spec
            .network
            .exposed
            .iter()
            .map(|port| (port.clone(), json!({})))
            .collect();
        config["ExposedPorts"] = Value::Object(ports);
    }
    if let Some(signal) = spec.stop_signal {
        config["StopSignal"] = signal.to_string().into();
    }
    match spec.stop_timeout {
        Some(StopTimeout::Never) => config["StopTimeout"] = (-1).into(),
        Some(StopTimeout::After(time)) => config["StopTimeout"] = time.as_secs().into(),
        None => {}
    }
    if let Some(health) = &again.health {
        config["Healthcheck"] = show_health_check(health);
    }
    config
}

pub(in crate::docker) fn show_health_check(health: &HealthCheck) -> Value {
    let test: Vec<&str> = match &health.test {
        Probe::None => vec!["NONE"],
        Probe::Command(words) => std::iter::once("CMD").chain(words.iter().map(String::as_str)).collect(),
        Probe::Shell(line) => vec!["CMD-SHELL", line],
    };
    let mut shown = json!({ "Test": test });
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let times = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            shown[name] = nanos(time).into();
        }
    }
    if let Some(retries) = health.retries {
        shown["Retries"] = retries.into();
    }
    shown
}

fn volume_targets(targets: &[String]) -> Value {
    if targets.is_empty() {
        return Value::Null;
    }
    let targets = targets.iter().map(|target| (target.clone(), json!({})));
    Value::Object(targets.collect())
}

fn host_config(spec: &Spec, again: &NewContainer) -> Value {
    let mounts = ShownMounts::of(&again.mounts);
    let network = &spec.network;
    let security = &spec.security;
    let mut shown = json!({
        "Binds": or_null(&mounts.binds),
        "ContainerIDFile": "",
        "LogConfig": read_log::show(&spec.log),
        "NetworkMode": show::network_mode(&network.mode),
        "PortBindings": port_bindings(spec),
        "RestartPolicy": restart_policy(spec.restart),
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "ConsoleSize": spec.process.console_size.map_or([0, 0], |size| [size.rows, size.columns]),
        "CapAdd": or_null(&security.cap_add),
        "CapDrop": or_null(&security.cap_drop),
        "CgroupnsMode": namespace(security.cgroup, "private"),
        "Dns": network.dns,
        "DnsOptions": network.dns_options,
        "DnsSearch": network.dns_search,
        "ExtraHosts": or_null(&network.extra_hosts),
        "GroupAdd": or_null(&spec.process.groups),
        "IpcMode": namespace(security.ipc, "private"),
        "Cgroup": "",
        "Links": null,
        "OomScoreAdj": spec.oom_score_adj.unwrap_or(0),
        "PidMode": namespace(security.pid, ""),
        "Privileged": security.privileged,
        "PublishAllPorts": network.publish_all,
        "ReadonlyRootfs": spec.read_only_root,
        "SecurityOpt": security_options(spec),
        "UTSMode": namespace(security.uts, ""),
        "UsernsMode": match security.users {
            UserNamespace::Server => "",
            UserNamespace::Host => "host",
            UserNamespace::Own => "private",
        },
        "ShmSize": spec.shm_bytes.unwrap_or(DEFAULT_SHM_BYTES),
        "Sysctls": show::labels(&spec.sysctls),
        "Runtime": "gantry",
        "Isolation": "",
        "Init": spec.init,
        "Devices": devices(spec),
        "DeviceCgroupRules": null,
        "DeviceRequests": null,
        "Ulimits": ulimits(spec),
        "CgroupParent": "",
        "MaskedPaths": security.masked_paths,
        "ReadonlyPaths": security.readonly_paths,
    });
    if !spec.annotations.is_empty() {
        shown["Annotations"] = show::labels(&spec.annotations);
    }
    let (Value::Object(all), Value::Object(limits)) = (&mut shown, limits(&spec.limits)) else {
        unreachable!("both are objects")
    };
    all.extend(limits);
    // Left out where there are none, as `dockerd` does.
    if !mounts.mounts.is_empty() {
        all.insert("Mounts".to_owned(), mounts.mounts.into());
    }
    if !mounts.tmpfs.is_empty() {
        all.insert("Tmpfs".to_owned(), mounts.tmpfs.into());
    }
    shown
}

/// The limits' fields, by the names that a request has for them.
fn limits(limits: &Limits) -> Value {
    let amount = |ceiling: Option<Ceiling>| match ceiling {
        None => 0,
        Some(Ceiling::Unlimited) => -1,
        Some(Ceiling::At(amount)) => i64::try_from(amount).unwrap_or(i64::MAX),
    };
    // A quota in the default period is what `--cpus` makes.
    let nano_cpus = limits
        .cpu
        .nano_cpus()
        .filter(|_| limits.cpu.period_us == Some(DEFAULT_PERIOD_US));
    let (quota, period) = match nano_cpus {
        Some(_) => (0, 0),
        None => (amount(limits.cpu.quota), limits.cpu.period_us.unwrap_or(0)),
    };
    json!({
        "CpuShares": limits.cpu.shares.unwrap_or(0),
        "Memory": amount(limits.memory.limit),
        "NanoCpus": nano_cpus.unwrap_or(0),
        "BlkioWeight": limits.io.weight.unwrap_or(0),
        "BlkioWeightDevice": block_devices(&limits.io.weight_device, "Weight"),
        "BlkioDeviceReadBps": block_devices(&limits.io.read_bps, "Rate"),
        "BlkioDeviceWriteBps": block_devices(&limits.io.write_bps, "Rate"),
        "BlkioDeviceReadIOps": block_devices(&limits.io.read_iops, "Rate"),
        "BlkioDeviceWriteIOps": block_devices(&limits.io.write_iops, "Rate"),
        "CpuPeriod": period,
        "CpuQuota": quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": limits.cpu.cpus.clone().unwrap_or_default(),
        "CpusetMems": limits.cpu.mems.clone().unwrap_or_default(),
        "MemoryReservation": limits.memory.reservation_bytes.unwrap_or(0),
        // 0 would be read as twice the memory.
        "MemorySwap": match (limits.memory.limit, limits.memory.memory_and_swap) {
            (Some(Ceiling::At(_)), None) => -1,
            (_, both) => amount(both),
        },
        "MemorySwappiness": limits.memory.swappiness,
        "OomKillDisable": limits.memory.oom_kill_disabled,
        "PidsLimit": limits.pids.map(|pids| amount(Some(pids))),
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })
}

/// Devices are kept by number; the kernel finds their files under it.
fn block_devices(devices: &[DeviceAmount], name: &str) -> Vec<Value> {
    devices
        .iter()
        .map(|device| json!({ "Path": format!("/dev/block/{}:{}", device.major, device.minor), name: device.amount }))
        .collect()
}

fn devices(spec: &Spec) -> Vec<Value> {
    spec.devices
        .iter()
        .map(|device| {
            json!({
                "PathOnHost": device.host_path,
                "PathInContainer": device.container_path,
                "CgroupPermissions": device.access,
            })
        })
        .collect()
}

fn ulimits(spec: &Spec) -> Vec<Value> {
    let amount = |value: u64| i64::try_from(value).unwrap_or(-1);
    spec.rlimits
        .iter()
        .map(|limit| json!({ "Name": limit.name, "Soft": amount(limit.soft), "Hard": amount(limit.hard) }))
        .collect()
}

fn port_bindings(spec: &Spec) -> Value {
    let mut map = Map::new();
    for port in &spec.network.ports {
        let binding = json!({
            "HostIp": port.host_address.map(|address| address.to_string()).unwrap_or_default(),
            "HostPort": if port.host_port == 0 { String::new() } else { port.host_port.to_string() },
        });
        let key = format!("{}/{}", port.container_port, port.protocol.word());
        match map.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(bindings) => bindings.push(binding),
            _ => unreachable!("only lists are put in"),
        }
    }
    Value::Object(map)
}

fn restart_policy(policy: RestartPolicy) -> Value {
    let (name, count) = match policy {
        RestartPolicy::No => ("no", 0),
        RestartPolicy::OnFailure { max_retries } => ("on-failure", max_retries.unwrap_or(0)),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": count })
}

fn security_options(spec: &Spec) -> Value {
    let mut options = Vec::new();
    if spec.security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &spec.security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => options.push(format!("seccomp={profile}")),
    }
    or_null(&options)
}

fn namespace(mode: NamespaceMode, private: &str) -> &str {
    match mode {
        NamespaceMode::Private => private,
        NamespaceMode::Host => "host",
    }
}

fn or_null(words: &[String]) -> Value {
    if words.is_empty() { Value::Null } else { words.into() }
}
