//! What a group has used, in one set of units for both interfaces.

use crate::control_file;
use crate::pressure::Pressure;
use model::container::limits::Ceiling;

/// Times are nanoseconds and grow, as do counts of input and output. What the host
/// does not count is 0, or `None` where 0 would mislead.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    pub cpu_total_ns: u64,
    pub cpu_user_ns: u64,
    pub cpu_system_ns: u64,
    /// Periods in which the group wanted to run.
    pub periods: u64,
    /// Periods in which its quota ran out.
    pub throttled_periods: u64,
    pub throttled_ns: u64,
    /// Without files that were read once and not again, which the kernel drops first.
    pub memory_bytes: u64,
    pub memory_raw_bytes: u64,
    pub memory_cache_bytes: u64,
    pub memory_peak_bytes: u64,
    /// The group's own; `None` without one.
    pub memory_limit_bytes: Option<u64>,
    pub swap_bytes: u64,
    pub pids: u64,
    pub pids_limit: Option<u64>,
    /// Processes and threads that were not made, for the limit on them.
    pub forks_refused: u64,
    pub io_read_bytes: u64,
    pub io_write_bytes: u64,
    pub io_reads: u64,
    pub io_writes: u64,
    pub pressure: Option<Pressure>,
    /// Processes killed for want of memory.
    pub oom_kills: u64,
}

impl Usage {
    /// v2 `cpu.stat`, in microseconds.
    pub(crate) fn take_cpu_stat_v2(&mut self, text: &str) {
        let of = |key| control_file::keyed(text, key).unwrap_or(0);
        self.cpu_total_ns = of("usage_usec") * 1000;
        self.cpu_user_ns = of("user_usec") * 1000;
        self.cpu_system_ns = of("system_usec") * 1000;
        self.take_throttling(text);
        self.throttled_ns = of("throttled_usec") * 1000;
    }

    /// v1 `cpu.stat`, which has nanoseconds and throttling alone.
    pub(crate) fn take_cpu_stat_v1(&mut self, text: &str) {
        self.take_throttling(text);
        self.throttled_ns = control_file::keyed(text, "throttled_time").unwrap_or(0);
    }

    fn take_throttling(&mut self, text: &str) {
        self.periods = control_file::keyed(text, "nr_periods").unwrap_or(0);
        self.throttled_periods = control_file::keyed(text, "nr_throttled").unwrap_or(0);
    }

    /// `memory.stat`: with a prefix on v1, where the plain names leave out groups inside.
    pub(crate) fn take_memory(&mut self, used: u64, stat: &str, inactive_file: &str, cache: &str) {
        self.memory_raw_bytes = used;
        let inactive = control_file::keyed(stat, inactive_file).unwrap_or(0);
        self.memory_bytes = used.saturating_sub(inactive);
        self.memory_cache_bytes = control_file::keyed(stat, cache).unwrap_or(0);
    }

    /// v2 `io.stat`: `8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=0`
    pub(crate) fn take_io_stat(&mut self, text: &str) {
        for (key, amount) in text.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
            let amount = amount.parse::<u64>().unwrap_or(0);
            match key {
                "rbytes" => self.io_read_bytes += amount,
                "wbytes" => self.io_write_bytes += amount,
                "rios" => self.io_reads += amount,
                "wios" => self.io_writes += amount,
                _ => {}
            }
        }
    }

    pub(crate) fn take_pids(&mut self, current: &str, max: &str) {
        self.pids = current.trim().parse().unwrap_or(0);
        self.pids_limit = match control_file::parse_ceiling(max.trim()) {
            Some(Ceiling::At(count)) => Some(count),
            Some(Ceiling::Unlimited) | None => None,
        };
    }
}

/// v1 `blkio.throttle.io_service*`: `8:0 Read 1024`, and so on; sums over devices.
pub(crate) fn reads_and_writes(text: &str) -> (u64, u64) {
    let sum = |kind: &str| {
        text.lines()
            .filter_map(|line| {
                let mut words = line.split_ascii_whitespace();
                let (_, what, amount) = (words.next()?, words.next()?, words.next()?);
                (what == kind).then(|| amount.parse::<u64>().ok())?
            })
            .sum()
    };
    (sum("Read"), sum("Write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_devices_are_summed_up() {
        let text = "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\n8:16 Write 2\nTotal 33\n";
        assert_eq!(reads_and_writes(text), (11, 22));
        let mut usage = Usage::default();
        usage.take_io_stat("8:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=9\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n");
        assert_eq!((usage.io_read_bytes, usage.io_writes), (11, 5));
    }

    #[test]
    fn times_are_nanoseconds_on_both_interfaces() {
        let mut v1 = Usage::default();
        v1.take_cpu_stat_v1("nr_periods 10\nnr_throttled 3\nthrottled_time 5000\n");
        let mut v2 = Usage::default();
        v2.take_cpu_stat_v2("usage_usec 7\nnr_periods 10\nnr_throttled 3\nthrottled_usec 5\n");
        assert_eq!(
            (v1.throttled_ns, v1.throttled_periods),
            (v2.throttled_ns, v2.throttled_periods)
        );
        assert_eq!(v2.cpu_total_ns, 7000);
    }
}
