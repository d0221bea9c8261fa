//! `GET /info`

use crate::docker::container::status_word;
use crate::docker::problem::Failure;
use crate::now;
use axum::Json;
use axum::extract::State;
use engine::{Engine, HostInfo};
use model::container::UserNamespaces;
use serde_json::{Value, json};

pub(in crate::docker) async fn info(State(engine): State<Engine>) -> Result<Json<Value>, Failure> {
    let host = engine.host_info();
    let containers = engine.list().items;
    let (mut running, mut paused) = (0, 0);
    for container in &containers {
        match status_word(container) {
            "running" | "restarting" => running += 1,
            "paused" => paused += 1,
            _ => {}
        }
    }
    let architecture = match host.architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    let mut shown = unchanging();
    let present = json!({
        "ID": host.instance,
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running - paused,
        "Images": engine.images().await?.items.len(),
        "Driver": host.snapshotter.snapshotter.docker_name(),
        "DriverStatus": driver_status(&host),
        "OomKillDisable": !host.cgroup_v2,
        "SystemTime": now().to_string(),
        "CgroupVersion": if host.cgroup_v2 { "2" } else { "1" },
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "Architecture": architecture,
        "NCPU": host.cpus,
        "MemTotal": host.memory_bytes,
        "SecurityOptions": security_options(&host.userns, host.rootless),
        "DockerRootDir": host.data_dir,
        "Name": host.hostname,
    });
    if let (Value::Object(shown), Value::Object(present)) = (&mut shown, present) {
        shown.extend(present);
    }
    Ok(Json(shown))
}

/// What stands behind the driver's name.
fn driver_status(host: &HostInfo) -> Value {
    json!([
        ["Backing", host.data_dir.to_string_lossy()],
        ["Snapshotter", host.snapshotter.snapshotter.name()],
        ["Chosen because", host.snapshotter.why],
    ])
}

fn security_options(userns: &UserNamespaces, rootless: bool) -> Vec<&'static str> {
    let mut options = vec!["name=seccomp,profile=builtin", "name=cgroupns"];
    if *userns != UserNamespaces::Off {
        options.push("name=userns");
    }
    if rootless {
        options.push("name=rootless");
    }
    options
}

/// What is the same on every host.
fn unchanging() -> Value {
    json!({
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file", "local"],
        },
        "MemoryLimit": true,
        "SwapLimit": true,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "IPv4Forwarding": true,
        "Debug": false,
        "NFd": 0,
        "NGoroutines": 0,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "NEventsListener": 0,
        "OSVersion": "",
        "OSType": "linux",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": { "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"], "IndexConfigs": {}, "Mirrors": [] },
        "GenericResources": null,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Runtimes": { "gantry": { "path": "gantry-runtime" } },
        "DefaultRuntime": "gantry",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": false,
            "Error": "",
            "RemoteManagers": null,
        },
        "LiveRestoreEnabled": true,
        "Isolation": "",
        "InitBinary": "gantry-runtime",
        "ContainerdCommit": { "ID": "" },
        "RuncCommit": { "ID": "" },
        "InitCommit": { "ID": "" },
        "CDISpecDirs": [],
        "Warnings": null,
    })
}
