use model::Timestamp;
use model::container::ContainerId;

/// What a container used, as counted once a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    pub container: ContainerId,
    pub at: Timestamp,
    /// Share of one processor since the last sample, times 100: 250 is two and a half.
    pub cpu_percent: f64,
    pub cpu: CpuUse,
    /// The sample before, for clients that subtract for themselves.
    pub previous_cpu: Option<CpuUse>,
    pub memory: MemoryUse,
    pub pids: u64,
    pub pids_limit: Option<u64>,
    /// Processes and threads that were not made, for the limit on them.
    pub forks_refused: u64,
    pub io: IoUse,
    /// `None` without a network of its own.
    pub network: Option<NetworkUse>,
    /// Where the kernel measures pressure.
    pub pressure: Option<Pressure>,
    pub oom_kills: u64,
}

/// Totals since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuUse {
    pub total_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    /// Of all processors of the host, since boot, idle time included.
    pub host_ns: u64,
    pub online_cpus: u32,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// Without the page cache that goes first under pressure.
    pub used_bytes: u64,
    /// All that the kernel charges.
    pub raw_bytes: u64,
    pub cache_bytes: u64,
    pub peak_bytes: u64,
    /// Its own limit, else the host's memory.
    pub limit_bytes: u64,
    pub swap_bytes: u64,
}

/// Totals since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct IoUse {
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub reads: u64,
    pub writes: u64,
    /// Since the last sample.
    pub read_bytes_per_s: f64,
    pub write_bytes_per_s: f64,
}

/// Totals since the start of the run, as the container sees them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NetworkUse {
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_dropped: u64,
    /// Since the last sample.
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
}

/// Share of the last 10, 60 and 300 seconds in which some, or all, tasks
/// waited, in percent; totals in microseconds. Kernel, accounting/psi.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    pub cpu: PressureOf,
    pub memory: PressureOf,
    pub io: PressureOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PressureOf {
    pub some: PressureLine,
    pub full: PressureLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PressureLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total_us: u64,
}

/// One point of the charts, kept for fifteen minutes. Small: there is one for each
/// second of each container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: Timestamp,
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    pub cpu_percent: f32,
    pub received_bytes_per_s: f32,
    pub sent_bytes_per_s: f32,
    pub read_bytes_per_s: f32,
    pub write_bytes_per_s: f32,
    /// Share of the periods since the last point in which it was held back.
    pub throttled_percent: f32,
    pub pids: u32,
}

/// All running containers of one second.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatsRound {
    pub at: Timestamp,
    pub containers: Vec<std::sync::Arc<Stats>>,
    pub host: HostStats,
}

/// The host, now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HostStats {
    pub at: Timestamp,
    pub cpus: u32,
    /// 0 to 100: of all processors together.
    pub cpu_percent: f64,
    /// Over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    pub memory_total_bytes: u64,
    /// What programs could still get. MemAvailable, proc(5).
    pub memory_available_bytes: u64,
    pub swap_total_bytes: u64,
    pub swap_free_bytes: u64,
    /// Of the file system that holds the data.
    pub disk_total_bytes: u64,
    pub disk_free_bytes: u64,
    pub uptime_s: u64,
    /// Of the network devices that stand for hardware: without loopback, bridges and cables.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Since the last sample.
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
    pub containers: u32,
    pub running: u32,
    pub paused: u32,
}
