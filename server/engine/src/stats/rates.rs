//! Rates from two counts.

use super::sample::{CpuUse, Point, Stats};
use model::Timestamp;

/// Processor use since the sample before, 100 being one processor.
pub(crate) fn cpu_percent(before: Option<&CpuUse>, now: &CpuUse) -> f64 {
    let Some(before) = before else {
        return 0.0;
    };
    let container = now.total_ns.saturating_sub(before.total_ns) as f64;
    let host = now.host_ns.saturating_sub(before.host_ns) as f64;
    if host <= 0.0 {
        return 0.0;
    }
    container / host * f64::from(now.online_cpus) * 100.0
}

/// Growth in a second; a count that fell began anew.
pub(crate) fn per_second(before: Option<(u64, Timestamp)>, now: u64, at: Timestamp) -> f64 {
    let Some((before, then)) = before else {
        return 0.0;
    };
    let seconds = at.since(then).as_secs_f64();
    if seconds <= 0.0 {
        return 0.0;
    }
    now.saturating_sub(before) as f64 / seconds
}

/// Share of the periods in between in which the container was held back.
pub(crate) fn throttled_percent(before: Option<&CpuUse>, now: &CpuUse) -> f64 {
    let Some(before) = before else {
        return 0.0;
    };
    let periods = now.periods.saturating_sub(before.periods);
    if periods == 0 {
        return 0.0;
    }
    now.throttled_periods.saturating_sub(before.throttled_periods) as f64 / periods as f64 * 100.0
}

#[expect(clippy::cast_possible_truncation, reason = "a chart needs seven digits at most")]
pub(crate) fn point(stats: &Stats) -> Point {
    let network = stats.network.unwrap_or_default();
    Point {
        at: stats.at,
        memory_bytes: stats.memory.used_bytes,
        memory_limit_bytes: stats.memory.limit_bytes,
        cpu_percent: stats.cpu_percent as f32,
        received_bytes_per_s: network.received_bytes_per_s as f32,
        sent_bytes_per_s: network.sent_bytes_per_s as f32,
        read_bytes_per_s: stats.io.read_bytes_per_s as f32,
        write_bytes_per_s: stats.io.write_bytes_per_s as f32,
        throttled_percent: throttled_percent(stats.previous_cpu.as_ref(), &stats.cpu) as f32,
        pids: u32::try_from(stats.pids).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(total_s: u64, host_s: u64) -> CpuUse {
        CpuUse {
            total_ns: total_s * 1_000_000_000,
            host_ns: host_s * 1_000_000_000,
            online_cpus: 4,
            ..CpuUse::default()
        }
    }

    #[test]
    fn a_whole_processor_is_a_hundred_percent() {
        let percent = cpu_percent(Some(&cpu(10, 100)), &cpu(11, 104));
        assert!((percent - 100.0).abs() < 1e-9, "{percent}");
        assert!(cpu_percent(None, &cpu(11, 104)) == 0.0);
    }

    #[test]
    fn a_count_that_began_anew_is_no_negative_rate() {
        let at = Timestamp::from_unix_nanos;
        assert!(per_second(Some((500, at(0))), 100, at(1_000_000_000)) == 0.0);
        let rate = per_second(Some((100, at(0))), 300, at(2_000_000_000));
        assert!((rate - 100.0).abs() < 1e-9, "{rate}");
    }
}
