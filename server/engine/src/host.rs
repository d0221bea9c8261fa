//! The host as a whole.

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
    pub cgroup_parent: String,
    pub subnet: model::network::Subnet,
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    /// Of the embedded runtime.
    pub runtime_version: String,
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
