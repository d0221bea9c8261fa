//! The host as a whole.

use crate::blocking::blocking;
use crate::disk_use::tree_bytes;
use crate::engine::Engine;
use crate::error::EngineError;
use std::fs;
use std::path::PathBuf;

/// What does not change while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// Six hexadecimal digits that name this server's bridge, table and devices.
    pub instance: String,
    pub hostname: String,
    pub kernel: String,
    /// As images name it: `amd64`, `arm64`.
    pub architecture: &'static str,
    pub operating_system: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Whether the memory controller is of cgroup version 2.
    pub cgroup_v2: bool,
    /// `v1`, `v2` or `hybrid`.
    pub cgroups: &'static str,
    pub cgroup_parent: String,
    /// Whose ids containers have that do not say it.
    pub userns: model::container::UserNamespaces,
    /// Whether the server is an ordinary user's.
    pub rootless: bool,
    /// Whether files below the data directory can be seen with mapped ids.
    pub mapped_mounts: bool,
    /// How containers get files of their own, and why so.
    pub snapshotter: model::snapshotter::Choice,
    pub subnet: model::network::Subnet,
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
}

impl HostInfo {
    /// The default network's device.
    pub fn bridge(&self) -> String {
        format!("gantry-{}", self.instance)
    }
}

/// What is on the disk, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskUsage {
    /// Layers counted once, however many images share them.
    pub layers_bytes: u64,
    /// Blobs as the registry sent them.
    pub content_bytes: u64,
    /// Writable layer and log of each container.
    pub containers: Vec<(model::container::ContainerId, ContainerDisk)>,
    pub volumes: Vec<(String, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContainerDisk {
    pub writable_bytes: u64,
    pub log_bytes: u64,
}

impl Engine {
    pub fn host_info(&self) -> HostInfo {
        let inner = &self.inner;
        let name = sys::host::name();
        HostInfo {
            instance: inner.instance.clone(),
            hostname: name.node,
            kernel: name.release,
            architecture: match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
            operating_system: operating_system(),
            cpus: inner.host_size.cpus,
            memory_bytes: inner.host_size.memory_bytes,
            cgroup_v2: inner.hierarchies.layout().version_of(cgroup::Controller::Memory) == Some(cgroup::Version::V2),
            cgroups: inner.hierarchies.layout().name(),
            cgroup_parent: inner.options.cgroup_parent.clone(),
            userns: inner.ids.setting().clone(),
            rootless: !sys::user_namespace::is_initial(),
            mapped_mounts: inner.ids.can_map(),
            snapshotter: inner.snapshots.choice.clone(),
            subnet: inner.network.subnet(),
            data_dir: inner.layout.data.clone(),
            run_dir: inner.layout.run.clone(),
        }
    }

    /// Counts what is on the disk; takes as long as that has files.
    pub async fn disk_usage(&self) -> Result<DiskUsage, EngineError> {
        let volumes = self.volumes().await?;
        let inner = self.inner.clone();
        blocking("count what is on the disk", move || {
            let containers = inner
                .containers
                .views()
                .into_iter()
                .map(|container| {
                    let dirs = inner.layout.container(&container.id);
                    let disk = ContainerDisk {
                        writable_bytes: inner.snapshots.disk_bytes(&dirs.dir),
                        log_bytes: tree_bytes(&dirs.log()),
                    };
                    (container.id.clone(), disk)
                })
                .collect();
            Ok(DiskUsage {
                layers_bytes: tree_bytes(&inner.layout.data.join("snapshots")),
                content_bytes: tree_bytes(&inner.layout.data.join("content")),
                containers,
                volumes: volumes
                    .into_iter()
                    .map(|volume| (volume.name, tree_bytes(&volume.path)))
                    .collect(),
            })
        })
        .await
    }
}

/// The name of the distribution: os-release(5).
fn operating_system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}
