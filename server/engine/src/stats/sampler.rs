//! One round of reading: of the host, of every container's groups and of its cable.

use super::host::{self, HostCpu};
use super::rates::{cpu_percent, per_second};
use super::sample::{
    CpuUse, HostStats, IoUse, MemoryUse, NetworkUse, Pressure, PressureLine, PressureOf, Stats, StatsRound,
};
use super::usage::{Run, UsageReader};
use crate::clock;
use crate::containers::view::Container;
use crate::engine::Inner;
use model::Timestamp;
use model::container::{ContainerId, State};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// What is remembered from round to round.
#[derive(Debug)]
pub(super) struct Sampling {
    usage: UsageReader,
    before: HashMap<ContainerId, (u64, Arc<Stats>)>,
    cpu: Option<HostCpu>,
    host: Option<HostStats>,
}

impl Sampling {
    pub(super) fn begin() -> io::Result<Self> {
        Ok(Self {
            usage: UsageReader::start()?,
            before: HashMap::new(),
            cpu: None,
            host: None,
        })
    }

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
        let running: Vec<&Arc<Container>> = containers.iter().filter(|container| container.is_running()).collect();
        let runs = running.iter().map(|container| Run {
            id: container.id.clone(),
            number: container.run,
            group: engine.group(&container.id),
        });
        let usages = self.usage.read(runs.collect()).unwrap_or_default();
        let before = std::mem::take(&mut self.before);
        let mut taken = Vec::with_capacity(running.len());
        for container in running {
            // It ended in this moment.
            let Some(usage) = usages.get(&container.id) else {
                continue;
            };
            let before = before.get(&container.id).filter(|(run, _)| *run == container.run);
            let stats = Arc::new(stats(
                container.id.clone(),
                usage,
                traffic(engine, container),
                cpu,
                engine.host_size.memory_bytes,
                before.map(|(_, stats)| &**stats),
            ));
            self.before.insert(container.id.clone(), (container.run, stats.clone()));
            taken.push(stats);
        }
        StatsRound {
            at: clock::now(),
            containers: taken,
            host,
        }
    }
}

fn traffic(engine: &Inner, container: &Container) -> Option<network::Traffic> {
    let endpoint = container.endpoint.as_ref()?;
    engine.network.traffic(&endpoint.host_device).ok().flatten()
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
