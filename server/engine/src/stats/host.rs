//! The host's own numbers, from /proc. proc(5)

use super::rates::per_second;
use super::sample::HostStats;
use crate::clock;
use std::fs;
use std::path::Path;

/// Time all processors together have spent since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HostCpu {
    pub(super) total_ns: u64,
    pub(super) busy_ns: u64,
    pub(super) online: u32,
}

pub(super) fn cpu() -> HostCpu {
    parse_cpu(
        &fs::read_to_string("/proc/stat").unwrap_or_default(),
        sys::host::clock_ticks(),
    )
}

fn parse_cpu(text: &str, ticks: u64) -> HostCpu {
    let mut lines = text.lines();
    let fields: Vec<u64> = lines
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
        .map(|rest| rest.split_whitespace().filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // The guests' time is contained in the user's.
    let total: u64 = fields.iter().take(8).sum();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    let nanos = |count: u64| count.saturating_mul(1_000_000_000 / ticks.max(1));
    let online = lines.take_while(|line| line.starts_with("cpu")).count();
    HostCpu {
        total_ns: nanos(total),
        busy_ns: nanos(total.saturating_sub(idle)),
        online: u32::try_from(online).unwrap_or(1).max(1),
    }
}

pub(super) fn stats(
    before: Option<&HostStats>,
    cpu_before: Option<HostCpu>,
    now: HostCpu,
    data_dir: &Path,
) -> HostStats {
    let at = clock::now();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let space = sys::host::space(data_dir).unwrap_or(sys::host::Space {
        total_bytes: 0,
        free_bytes: 0,
    });
    let (received_bytes, sent_bytes) = parse_traffic(&read("/proc/net/dev"), is_outward);
    let then = |count: fn(&HostStats) -> u64| before.map(|before| (count(before), before.at));
    HostStats {
        at,
        cpus: now.online,
        cpu_percent: cpu_before.map_or(0.0, |before| busy_percent(before, now)),
        received_bytes,
        sent_bytes,
        received_bytes_per_s: per_second(then(|host| host.received_bytes), received_bytes, at),
        sent_bytes_per_s: per_second(then(|host| host.sent_bytes), sent_bytes, at),
        load: parse_load(&read("/proc/loadavg")),
        memory_total_bytes: memory_field(&memory, "MemTotal"),
        memory_available_bytes: memory_field(&memory, "MemAvailable"),
        swap_total_bytes: memory_field(&memory, "SwapTotal"),
        swap_free_bytes: memory_field(&memory, "SwapFree"),
        disk_total_bytes: space.total_bytes,
        disk_free_bytes: space.free_bytes,
        uptime_s: read("/proc/uptime")
            .split(['.', ' '])
            .next()
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(0),
        ..HostStats::default()
    }
}

/// Memory of the host and the number of its processors, to judge limits against.
pub(crate) fn size() -> model::container::limits::HostSize {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    model::container::limits::HostSize {
        memory_bytes: memory_field(&memory, "MemTotal"),
        cpus: cpu().online,
    }
}

fn busy_percent(before: HostCpu, now: HostCpu) -> f64 {
    let total = now.total_ns.saturating_sub(before.total_ns) as f64;
    if total <= 0.0 {
        return 0.0;
    }
    now.busy_ns.saturating_sub(before.busy_ns) as f64 / total * 100.0
}

/// Bytes received and sent by the devices that `counts`. proc_net_dev in proc(5).
fn parse_traffic(text: &str, counts: impl Fn(&str) -> bool) -> (u64, u64) {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(device, _)| counts(device.trim()))
        .map(|(_, rest)| {
            let fields: Vec<u64> = rest
                .split_whitespace()
                .map(|field| field.parse().unwrap_or(0))
                .collect();
            (
                fields.first().copied().unwrap_or(0),
                fields.get(8).copied().unwrap_or(0),
            )
        })
        .fold((0, 0), |sum, (received, sent)| (sum.0 + received, sum.1 + sent))
}

/// Only what stands for hardware has a device of its own in sysfs; the rest is
/// counted twice if it is counted at all.
fn is_outward(device: &str) -> bool {
    Path::new("/sys/class/net").join(device).join("device").exists()
}

fn parse_load(text: &str) -> [f64; 3] {
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
}

/// In /proc/meminfo amounts are in KiB.
fn memory_field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_counts_idle_and_waiting_as_not_busy() {
        let cpu = parse_cpu("cpu  10 0 20 60 10 0 0 0 5 0\ncpu0 1 2\ncpu1 1 2\nintr 5\n", 100);
        assert_eq!(cpu.total_ns, 1_000_000_000);
        assert_eq!(cpu.busy_ns, 300_000_000);
        assert_eq!(cpu.online, 2);
    }

    #[test]
    fn only_devices_that_count_are_counted() {
        let text = "Inter-| Receive | Transmit\n face |bytes\n  lo: 5 0 0 0 0 0 0 0 5 0\neth0: 7 0 0 0 0 0 0 0 9 0\n";
        assert_eq!(parse_traffic(text, |device| device != "lo"), (7, 9));
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(
            memory_field("MemTotal:  16 kB\nMemAvailable: 8 kB\n", "MemAvailable"),
            8192
        );
    }
}
