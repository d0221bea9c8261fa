//! Ceilings on what a container may use. `None` everywhere means no ceiling of
//! its own. Names and meanings follow the OCI runtime-spec, config-linux.md,
//! "Control groups"; the conversions to kernel files are the `cgroup` crate's.

/// Below this no process can even be set up; Docker has the same floor.
pub const MEMORY_MINIMUM_BYTES: u64 = 6 << 20;
/// `PID_MAX_LIMIT` of 64-bit kernels (include/linux/threads.h): `pids.max` takes no more.
pub const PIDS_MAXIMUM: u64 = 4 << 20;
/// `MAX_SHARES` (kernel/sched/sched.h).
pub const CPU_SHARES_MAXIMUM: u64 = 262_144;
/// OCI runtime-spec: amounts of memory are signed.
const BYTES_MAXIMUM: u64 = i64::MAX as u64;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    pub memory: Memory,
    pub cpu: Cpu,
    pub pids: Option<Ceiling>,
    pub io: Io,
    /// Files of the v2 hierarchy, written as they are.
    pub unified: Vec<(String, String)>,
}

/// A ceiling that was asked for: an amount, or explicitly none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    Unlimited,
    At(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// Bytes of memory.
    pub limit: Option<Ceiling>,
    /// Bytes of memory and swap together.
    pub memory_and_swap: Option<Ceiling>,
    /// Bytes protected under pressure, at most `limit`.
    pub reservation_bytes: Option<u64>,
    /// 0 to 100; v1 only.
    pub swappiness: Option<u8>,
    pub oom_kill_disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// Relative weight, 2 to 262144, 1024 being ordinary.
    pub shares: Option<u64>,
    /// Microseconds of processor time in each period.
    pub quota: Option<Ceiling>,
    /// Microseconds, 1,000 to 1,000,000; 100,000 unless set.
    pub period_us: Option<u64>,
    pub burst_us: Option<u64>,
    /// Processors, as `0-3,6`.
    pub cpus: Option<String>,
    /// Memory nodes, in the same form.
    pub mems: Option<String>,
    pub idle: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Io {
    /// 10 to 1000.
    pub weight: Option<u16>,
    pub weight_device: Vec<DeviceAmount>,
    pub read_bps: Vec<DeviceAmount>,
    pub write_bps: Vec<DeviceAmount>,
    pub read_iops: Vec<DeviceAmount>,
    pub write_iops: Vec<DeviceAmount>,
}

/// An amount for one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAmount {
    pub major: u32,
    pub minor: u32,
    pub amount: u64,
}

/// Limits that only a bundle's configuration asks for: the engine has no words for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Special {
    pub hugepages: Vec<Hugepages>,
    pub rdma: Vec<Rdma>,
    /// The class of packets that leave; v1 only.
    pub network_class: Option<u32>,
    /// Priorities of packets by network device; v1 only.
    pub network_priorities: Vec<(String, u32)>,
    /// Microseconds of real-time scheduling in each period, −1 for all; v1 only.
    pub realtime_runtime_us: Option<i64>,
    /// v1 only.
    pub realtime_period_us: Option<u64>,
}

/// A ceiling on huge pages of one size, `2MB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hugepages {
    pub page_size: String,
    pub bytes: u64,
}

/// Ceilings on what one RDMA device is asked to keep open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdma {
    pub device: String,
    pub handles: Option<u32>,
    pub objects: Option<u32>,
}

/// What the host has, to judge limits against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSize {
    pub memory_bytes: u64,
    pub cpus: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    #[error("memory limit of {asked} is below the least possible, 6 MiB", asked = crate::size::show(*.0))]
    MemoryTooSmall(u64),
    #[error("memory limit of {asked} is above the host's {host}", asked = crate::size::show(*asked), host = crate::size::show(*host))]
    MemoryAboveHost { asked: u64, host: u64 },
    #[error("memory and swap together ({both}) are below the memory limit ({memory})", both = crate::size::show(*both), memory = crate::size::show(*memory))]
    SwapBelowMemory { both: u64, memory: u64 },
    #[error("a limit on swap needs a memory limit as well")]
    SwapWithoutMemory,
    #[error("memory reservation ({reservation}) is above the memory limit ({limit})", reservation = crate::size::show(*reservation), limit = crate::size::show(*limit))]
    ReservationAboveLimit { reservation: u64, limit: u64 },
    #[error("{what} of {bytes} bytes is too large; use at most {BYTES_MAXIMUM}")]
    TooManyBytes { what: &'static str, bytes: u64 },
    #[error("swappiness of {0} is not between 0 and 100")]
    Swappiness(u8),
    #[error("CPU limit of {asked} is not between 0.01 and the host's {host} processors", asked = cpus(*asked_nano), host = host)]
    Cpus { asked_nano: u64, host: u32 },
    #[error("CPU shares of {0} are above the most possible, {CPU_SHARES_MAXIMUM}")]
    Shares(u64),
    #[error("CPU period of {0} µs is not between 1000 and 1000000")]
    Period(u64),
    #[error("CPU quota of {0} µs is below the least possible, 1000")]
    Quota(u64),
    #[error("`{0}` is not a list of processors such as `0-3,6`, each below {1}")]
    CpuList(String, u32),
    #[error("`{0}` is not a list of memory nodes such as `0-1,3`")]
    NodeList(String),
    #[error("block I/O weight of {0} is not between 10 and 1000")]
    IoWeight(u64),
    #[error("a limit of {0} processes is above the most possible, {PIDS_MAXIMUM}")]
    Pids(u64),
}

fn cpus(nano: u64) -> String {
    format!("{:.2}", nano as f64 / 1e9)
}

pub const DEFAULT_PERIOD_US: u64 = 100_000;

impl Cpu {
    /// A quota for `nano_cpus` billionths of a processor, in the default period.
    pub fn from_nano_cpus(nano_cpus: u64) -> Self {
        let quota = u128::from(nano_cpus) * u128::from(DEFAULT_PERIOD_US) / 1_000_000_000;
        Self {
            quota: Some(Ceiling::At(u64::try_from(quota).unwrap_or(u64::MAX))),
            period_us: Some(DEFAULT_PERIOD_US),
            ..Self::default()
        }
    }

    /// Billionths of a processor that the quota allows; `None` without one.
    pub fn nano_cpus(&self) -> Option<u64> {
        let Some(Ceiling::At(quota)) = self.quota else {
            return None;
        };
        let period = u128::from(self.period_us.unwrap_or(DEFAULT_PERIOD_US)).max(1);
        u64::try_from(u128::from(quota) * 1_000_000_000 / period).ok()
    }
}

impl Limits {
    /// Every mistake at once, judged against the host.
    pub fn mistakes(&self, host: HostSize) -> Vec<InvalidLimit> {
        let mut found = Vec::new();
        let memory = match self.memory.limit {
            Some(Ceiling::At(bytes)) => Some(bytes),
            Some(Ceiling::Unlimited) | None => None,
        };
        if let Some(bytes) = memory {
            if bytes < MEMORY_MINIMUM_BYTES {
                found.push(InvalidLimit::MemoryTooSmall(bytes));
            }
            if bytes > host.memory_bytes {
                found.push(InvalidLimit::MemoryAboveHost {
                    asked: bytes,
                    host: host.memory_bytes,
                });
            }
        }
        match (self.memory.memory_and_swap, memory) {
            (Some(Ceiling::At(both)), Some(memory)) if both < memory => {
                found.push(InvalidLimit::SwapBelowMemory { both, memory });
            }
            (Some(Ceiling::At(_)), None) => found.push(InvalidLimit::SwapWithoutMemory),
            _ => {}
        }
        if let (Some(reservation), Some(limit)) = (self.memory.reservation_bytes, memory)
            && reservation > limit
        {
            found.push(InvalidLimit::ReservationAboveLimit { reservation, limit });
        }
        let both = match self.memory.memory_and_swap {
            Some(Ceiling::At(bytes)) => Some(bytes),
            Some(Ceiling::Unlimited) | None => None,
        };
        for (what, bytes) in [
            ("memory and swap together", both),
            ("memory reservation", self.memory.reservation_bytes),
        ] {
            if let Some(bytes) = bytes.filter(|bytes| *bytes > BYTES_MAXIMUM) {
                found.push(InvalidLimit::TooManyBytes { what, bytes });
            }
        }
        if let Some(Ceiling::At(pids)) = self.pids
            && pids > PIDS_MAXIMUM
        {
            found.push(InvalidLimit::Pids(pids));
        }
        if let Some(shares) = self.cpu.shares
            && shares > CPU_SHARES_MAXIMUM
        {
            found.push(InvalidLimit::Shares(shares));
        }
        if let Some(swappiness) = self.memory.swappiness
            && swappiness > 100
        {
            found.push(InvalidLimit::Swappiness(swappiness));
        }
        if let Some(period) = self.cpu.period_us
            && !(1_000..=1_000_000).contains(&period)
        {
            found.push(InvalidLimit::Period(period));
        }
        if let Some(Ceiling::At(quota)) = self.cpu.quota
            && quota < 1_000
        {
            found.push(InvalidLimit::Quota(quota));
        }
        if let Some(Ceiling::At(quota)) = self.cpu.quota {
            // Above what 64 bits hold, the number is none that was meant.
            let nano = self.cpu.nano_cpus().unwrap_or(u64::MAX);
            if nano > u64::from(host.cpus) * 1_000_000_000 || quota > BYTES_MAXIMUM {
                found.push(InvalidLimit::Cpus {
                    asked_nano: nano,
                    host: host.cpus,
                });
            }
        }
        if let Some(list) = &self.cpu.cpus
            && !is_cpu_list(list, host.cpus)
        {
            found.push(InvalidLimit::CpuList(list.clone(), host.cpus));
        }
        if let Some(list) = &self.cpu.mems
            && !is_cpu_list(list, u32::MAX)
        {
            found.push(InvalidLimit::NodeList(list.clone()));
        }
        let weights = self.io.weight.map(u64::from).into_iter();
        for weight in weights.chain(self.io.weight_device.iter().map(|device| device.amount)) {
            if !(10..=1000).contains(&weight) {
                found.push(InvalidLimit::IoWeight(weight));
            }
        }
        found
    }
}

/// `0-3,6`, each number below `count`.
fn is_cpu_list(text: &str, count: u32) -> bool {
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n < count);
    text.split(',').all(|part| match part.split_once('-') {
        Some((from, to)) => matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to),
        None => number(part).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostSize = HostSize {
        memory_bytes: 8 << 30,
        cpus: 2,
    };

    fn memory(bytes: u64) -> Limits {
        Limits {
            memory: Memory {
                limit: Some(Ceiling::At(bytes)),
                ..Memory::default()
            },
            ..Limits::default()
        }
    }

    #[test]
    fn limits_within_the_host_are_taken() {
        let mut limits = memory(64 << 20);
        limits.cpu = Cpu::from_nano_cpus(500_000_000);
        limits.cpu.cpus = Some("0-1".into());
        assert_eq!(limits.mistakes(HOST), []);
        assert_eq!(limits.cpu.nano_cpus(), Some(500_000_000));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let mut limits = memory(1 << 20);
        limits.memory.reservation_bytes = Some(2 << 20);
        limits.cpu = Cpu::from_nano_cpus(64_000_000_000);
        limits.cpu.cpus = Some("0-9".into());
        assert_eq!(limits.mistakes(HOST).len(), 4);
    }

    #[test]
    fn numbers_that_no_kernel_takes_are_mistakes() {
        let wrong = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.mistakes(HOST).len()
        };
        assert_eq!(wrong(|limits| limits.pids = Some(Ceiling::At(1 << 63))), 1);
        assert_eq!(wrong(|limits| limits.pids = Some(Ceiling::At(PIDS_MAXIMUM + 1))), 1);
        assert_eq!(wrong(|limits| limits.pids = Some(Ceiling::At(PIDS_MAXIMUM))), 0);
        assert_eq!(wrong(|limits| limits.cpu.shares = Some(u64::MAX)), 1);
        assert_eq!(wrong(|limits| limits.cpu.quota = Some(Ceiling::At(u64::MAX))), 1);
        assert_eq!(wrong(|limits| limits.cpu.quota = Some(Ceiling::At(1 << 62))), 1);
        assert_eq!(wrong(|limits| limits.cpu = Cpu::from_nano_cpus(u64::MAX)), 1);
        assert_eq!(wrong(|limits| limits.cpu.mems = Some("x".into())), 1);
        assert_eq!(wrong(|limits| limits.memory.reservation_bytes = Some(1 << 63)), 1);
        let both = |limits: &mut Limits| {
            limits.memory.limit = Some(Ceiling::At(64 << 20));
            limits.memory.memory_and_swap = Some(Ceiling::At(u64::MAX));
        };
        assert_eq!(wrong(both), 1);
    }

    #[test]
    fn memory_above_the_host_is_refused_in_words() {
        let mistakes = memory(1 << 50).mistakes(HOST);
        assert_eq!(
            mistakes[0].to_string(),
            "memory limit of 1 PiB is above the host's 8 GiB"
        );
    }
}
