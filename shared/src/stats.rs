//! Resource usage of containers and the host.

use serde::{Deserialize, Serialize};

/// One sample of one container. Rates are per second since the previous sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Stats {
    pub id: String,
    pub time: String,
    /// CPU usage in cores: 1.5 is one and a half cores.
    pub cpu_cores: f64,
    pub cpu_user_cores: f64,
    pub cpu_system_cores: f64,
    /// Share of CPU periods in which the container was throttled, 0 to 1.
    pub throttled_share: f64,
    /// Memory usage without reclaimable page cache.
    pub memory_bytes: u64,
    pub memory_cache_bytes: u64,
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    #[serde(default)]
    pub memory_peak_bytes: Option<u64>,
    pub swap_bytes: u64,
    pub pids: u64,
    #[serde(default)]
    pub pids_limit: Option<u64>,
    /// Number of forks that the pids limit refused (`pids.events`).
    #[serde(default)]
    pub forks_refused: u64,
    pub io_read_rate: f64,
    pub io_write_rate: f64,
    pub network_received_rate: f64,
    pub network_sent_rate: f64,
    pub io_read_bytes: u64,
    pub io_write_bytes: u64,
    pub network_received_bytes: u64,
    pub network_sent_bytes: u64,
    pub oom_kills: u64,
}

/// Recent samples, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct History {
    pub samples: Vec<Stats>,
}

/// One sample of the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HostStats {
    pub time: String,
    /// Usage of all CPUs together, 0 to 100.
    pub cpu_percent: f64,
    pub memory_used_bytes: u64,
    pub memory_total_bytes: u64,
    pub swap_used_bytes: u64,
    pub swap_total_bytes: u64,
    /// Disk space used on the filesystem of the data directory.
    pub disk_used_bytes: u64,
    pub disk_total_bytes: u64,
    pub load: [f64; 3],
    pub network_received_rate: f64,
    pub network_sent_rate: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HostHistory {
    pub samples: Vec<HostStats>,
}
