//! One round of reading: a few `pread`s a container, on descriptors that stay open.

use super::host::{self, HostCpu};
use super::rates::{cpu_percent, per_second};
use super::sample::{
    CpuUse, HostStats, IoUse, MemoryUse, NetworkUse, Pressure, PressureLine, PressureOf, Stats, StatsRound,
};
use crate::clock;
use crate::containers::view::Container;
use crate::engine::Inner;
use model::Timestamp;
use model::container::{ContainerId, State};
use std::collections::HashMap;
use std::sync::Arc;

/// What is remembered from round to round.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    of: HashMap<ContainerId, Sampled>,
    cpu: Option<HostCpu>,
    host: Option<HostStats>,
}

#[derive(Debug)]
struct Sampled {
    run: u64,
    sampler: cgroup::Sampler,
    before: Option<Arc<Stats>>,
}

impl Sampling {
    pub(super) fn take(&mut self, engine: &Inner, containers: &[Arc<Container>]) -> StatsRound {
        let cpu = host::cpu();
        let mut host = host::stats(self.host.as_ref(), self.cpu, cpu, &engine.layout.data);
        self.cpu = Some(cpu);
        let count = |state: fn(&State) -> bool| {
            let found = containers.iter().filter(|container| state(&container.state)).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        host.containers = u32::try_from(containers.len()).unwrap_or(u32::MAX);
        host.running = count(|state| matches!(state, State::Running { .. }));
        host.paused = count(|state| matches!(state, State::Paused { .. }));
        self.host = Some(host);
        let running = containers.iter().filter(|container| container.is_running());
        let runs: HashMap<&ContainerId, u64> = running
            .clone()
            .map(|container| (&container.id, container.run))
            .collect();
        self.of.retain(|id, sampled| runs.get(id) == Some(&sampled.run));
        let stats = running
            .filter_map(|container| self.sample(engine, container, cpu))
            .collect();
        StatsRound {
            at: clock::now(),
            containers: stats,
            host,
        }
    }

    /// `None` when it ended in this moment.
    fn sample(&mut self, engine: &Inner, container: &Container, cpu: HostCpu) -> Option<Arc<Stats>> {
        if !self.of.contains_key(&container.id) {
            let sampler = engine.group(&container.id).sampler().ok()?;
            let sampled = Sampled {
                run: container.run,
                sampler,
                before: None,
            };
            self.of.insert(container.id.clone(), sampled);
        }
        let sampled = self.of.get_mut(&container.id)?;
        let usage = sampled.sampler.sample().ok()?;
        let traffic = container
            .endpoint
            .as_ref()
            .and_then(|endpoint| engine.network.traffic(&endpoint.host_device).ok().flatten());
        let stats = Arc::new(stats(
            container.id.clone(),
            &usage,
            traffic,
            cpu,
            engine.host_size.memory_bytes,
            sampled.before.as_deref(),
        ));
        sampled.before = Some(stats.clone());
        Some(stats)
    }
}

fn stats(
    container: ContainerId,
    usage: &cgroup::Usage,
    traffic: Option<network::Traffic>,
    host: HostCpu,
    host_memory_bytes: u64,
    before: Option<&Stats>,
) -> Stats {
    let at = clock::now();
    let cpu = CpuUse {
        total_ns: usage.cpu_total_ns,
        user_ns: usage.cpu_user_ns,
        system_ns: usage.cpu_system_ns,
        host_ns: host.total_ns,
        online_cpus: host.online,
        periods: usage.periods,
        throttled_periods: usage.throttled_periods,
        throttled_ns: usage.throttled_ns,
    };
    let previous_cpu = before.map(|before| before.cpu);
    let then = |count: fn(&Stats) -> u64| before.map(|before| (count(before), before.at));
    Stats {
        container,
        at,
        cpu_percent: cpu_percent(previous_cpu.as_ref(), &cpu),
        cpu,
        previous_cpu,
        memory: MemoryUse {
            used_bytes: usage.memory_bytes,
            raw_bytes: usage.memory_raw_bytes,
            cache_bytes: usage.memory_cache_bytes,
            peak_bytes: usage.memory_peak_bytes,
            limit_bytes: usage
                .memory_limit_bytes
                .map_or(host_memory_bytes, |limit| limit.min(host_memory_bytes)),
            swap_bytes: usage.swap_bytes,
        },
        pids: usage.pids,
        pids_limit: usage.pids_limit,
        forks_refused: usage.forks_refused,
        io: IoUse {
            read_bytes: usage.io_read_bytes,
            write_bytes: usage.io_write_bytes,
            reads: usage.io_reads,
            writes: usage.io_writes,
            read_bytes_per_s: per_second(then(|s| s.io.read_bytes), usage.io_read_bytes, at),
            write_bytes_per_s: per_second(then(|s| s.io.write_bytes), usage.io_write_bytes, at),
        },
        network: traffic.map(|traffic| network_use(&traffic, before, at)),
        pressure: usage.pressure.as_ref().map(pressure),
        oom_kills: usage.oom_kills,
    }
}

fn network_use(traffic: &network::Traffic, before: Option<&Stats>, at: Timestamp) -> NetworkUse {
    let then = |count: fn(&NetworkUse) -> u64| {
        before.and_then(|before| before.network.as_ref().map(|network| (count(network), before.at)))
    };
    NetworkUse {
        received_bytes: traffic.received_bytes,
        received_packets: traffic.received_packets,
        received_errors: traffic.received_errors,
        received_dropped: traffic.received_dropped,
        sent_bytes: traffic.sent_bytes,
        sent_packets: traffic.sent_packets,
        sent_errors: traffic.sent_errors,
        sent_dropped: traffic.sent_dropped,
        received_bytes_per_s: per_second(then(|n| n.received_bytes), traffic.received_bytes, at),
        sent_bytes_per_s: per_second(then(|n| n.sent_bytes), traffic.sent_bytes, at),
    }
}

fn pressure(of: &cgroup::Pressure) -> Pressure {
    let line = |line: &cgroup::PressureLine| PressureLine {
        avg10: line.avg10,
        avg60: line.avg60,
        avg300: line.avg300,
        total_us: line.total_us,
    };
    let both = |of: &cgroup::PressureOf| PressureOf {
        some: line(&of.some),
        full: line(&of.full),
    };
    Pressure {
        cpu: both(&of.cpu),
        memory: both(&of.memory),
        io: both(&of.io),
    }
}
