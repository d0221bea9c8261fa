//! Limits as OCI resources, and back. runtime-spec, config-linux.md, "Control groups".

use crate::devices::{DeviceKind, DeviceRule};
use model::container::Limits;
use model::container::limits::{Ceiling, Cpu, DeviceAmount, Hugepages, Io, Memory, Rdma, Special};
use oci_spec::runtime::{LinuxBlockIo, LinuxDeviceType, LinuxResources, LinuxThrottleDevice};
use serde_json::{Map, Value, json};

/// −1 is no ceiling.
fn ceiling(ceiling: Ceiling) -> Value {
    match ceiling {
        Ceiling::Unlimited => json!(-1),
        Ceiling::At(amount) => json!(i64::try_from(amount).unwrap_or(i64::MAX)),
    }
}

pub(crate) fn write(limits: &Limits, devices: Vec<Value>) -> Value {
    let mut memory = Map::new();
    let of = &limits.memory;
    put(&mut memory, "limit", of.limit.map(ceiling));
    put(&mut memory, "swap", of.memory_and_swap.map(ceiling));
    put(
        &mut memory,
        "reservation",
        of.reservation_bytes.map(|bytes| ceiling(Ceiling::At(bytes))),
    );
    put(&mut memory, "swappiness", of.swappiness.map(Value::from));
    if of.oom_kill_disabled {
        memory.insert("disableOOMKiller".to_owned(), json!(true));
    }
    let mut cpu = Map::new();
    let of = &limits.cpu;
    put(&mut cpu, "shares", of.shares.map(Value::from));
    put(&mut cpu, "quota", of.quota.map(ceiling));
    put(&mut cpu, "period", of.period_us.map(Value::from));
    put(&mut cpu, "burst", of.burst_us.map(Value::from));
    put(&mut cpu, "cpus", of.cpus.clone().map(Value::from));
    put(&mut cpu, "mems", of.mems.clone().map(Value::from));
    put(&mut cpu, "idle", of.idle.map(|idle| Value::from(i64::from(idle))));
    let mut all = Map::new();
    all.insert("devices".to_owned(), Value::Array(devices));
    put_map(&mut all, "memory", memory);
    put_map(&mut all, "cpu", cpu);
    put(
        &mut all,
        "pids",
        limits.pids.map(|pids| json!({ "limit": ceiling(pids) })),
    );
    put_map(&mut all, "blockIO", block_io(&limits.io));
    if !limits.unified.is_empty() {
        all.insert("unified".to_owned(), limits.unified.iter().cloned().collect());
    }
    Value::Object(all)
}

fn block_io(io: &Io) -> Map<String, Value> {
    let mut map = Map::new();
    put(&mut map, "weight", io.weight.map(Value::from));
    let amounts = |amounts: &[DeviceAmount], name: &str| -> Option<Value> {
        let list: Vec<Value> = amounts
            .iter()
            .map(|amount| json!({ "major": amount.major, "minor": amount.minor, name: amount.amount }))
            .collect();
        (!list.is_empty()).then_some(Value::Array(list))
    };
    put(&mut map, "weightDevice", amounts(&io.weight_device, "weight"));
    put(&mut map, "throttleReadBpsDevice", amounts(&io.read_bps, "rate"));
    put(&mut map, "throttleWriteBpsDevice", amounts(&io.write_bps, "rate"));
    put(&mut map, "throttleReadIOPSDevice", amounts(&io.read_iops, "rate"));
    put(&mut map, "throttleWriteIOPSDevice", amounts(&io.write_iops, "rate"));
    map
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value);
    }
}

fn put_map(map: &mut Map<String, Value>, name: &str, value: Map<String, Value>) {
    if !value.is_empty() {
        map.insert(name.to_owned(), Value::Object(value));
    }
}

/// The limits and device rules that a bundle asks for. Engines write 0, or an empty
/// list of processors, for what they do not limit.
pub fn limits(resources: &LinuxResources) -> (Limits, Vec<DeviceRule>) {
    let at = |amount: i64| match u64::try_from(amount) {
        Ok(0) => None,
        Ok(amount) => Some(Ceiling::At(amount)),
        Err(_) => Some(Ceiling::Unlimited),
    };
    let some = |amount: Option<u64>| amount.filter(|amount| *amount != 0);
    let list = |list: &Option<String>| list.clone().filter(|list| !list.is_empty());
    let memory = resources.memory().as_ref().map(|memory| Memory {
        limit: memory.limit().and_then(at),
        memory_and_swap: memory.swap().and_then(at),
        reservation_bytes: some(memory.reservation().and_then(|bytes| u64::try_from(bytes).ok())),
        swappiness: memory.swappiness().and_then(|value| u8::try_from(value).ok()),
        oom_kill_disabled: memory.disable_oom_killer().unwrap_or(false),
    });
    let cpu = resources.cpu().as_ref().map(|cpu| Cpu {
        shares: some(cpu.shares()),
        quota: cpu.quota().and_then(at),
        period_us: some(cpu.period()),
        burst_us: cpu.burst(),
        cpus: list(cpu.cpus()),
        mems: list(cpu.mems()),
        idle: cpu.idle().map(|idle| idle != 0),
    });
    let unified = resources.unified().clone().unwrap_or_default();
    let limits = Limits {
        memory: memory.unwrap_or_default(),
        cpu: cpu.unwrap_or_default(),
        // Of all limits this one alone may be 0: config-linux.md, "PIDs".
        pids: resources.pids().as_ref().map(|pids| match u64::try_from(pids.limit()) {
            Ok(count) => Ceiling::At(count),
            Err(_) => Ceiling::Unlimited,
        }),
        io: resources.block_io().as_ref().map(io).unwrap_or_default(),
        unified: unified.into_iter().collect(),
    };
    let rules = resources.devices().iter().flatten().map(|device| {
        let access = device.access().clone().unwrap_or_default();
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        DeviceRule {
            allow: device.allow(),
            kind: match device.typ() {
                Some(LinuxDeviceType::C | LinuxDeviceType::U) => DeviceKind::Character,
                Some(LinuxDeviceType::B) => DeviceKind::Block,
                _ => DeviceKind::All,
            },
            major: number(device.major()),
            minor: number(device.minor()),
            read: access.is_empty() || access.contains('r'),
            write: access.is_empty() || access.contains('w'),
            mknod: access.is_empty() || access.contains('m'),
        }
    });
    (limits, rules.collect())
}

/// What a bundle asks for beyond [`limits`].
pub fn special_limits(resources: &LinuxResources) -> Special {
    let cpu = resources.cpu().as_ref();
    let network = resources.network().as_ref();
    let hugepages = resources.hugepage_limits().iter().flatten();
    let rdma = resources.rdma().iter().flatten();
    let priorities = network.and_then(|network| network.priorities().as_ref());
    let mut rdma: Vec<Rdma> = rdma
        .map(|(device, limit)| Rdma {
            device: device.clone(),
            handles: limit.hca_handles(),
            objects: limit.hca_objects(),
        })
        .collect();
    rdma.sort_by(|one, other| one.device.cmp(&other.device));
    Special {
        hugepages: hugepages
            .map(|limit| Hugepages {
                page_size: limit.page_size().clone(),
                bytes: u64::try_from(limit.limit()).unwrap_or(0),
            })
            .collect(),
        rdma,
        network_class: network.and_then(|network| network.class_id()),
        network_priorities: priorities
            .into_iter()
            .flatten()
            .map(|one| (one.name().clone(), one.priority()))
            .collect(),
        realtime_runtime_us: cpu.and_then(|cpu| cpu.realtime_runtime()),
        realtime_period_us: cpu.and_then(|cpu| cpu.realtime_period()),
    }
}

fn io(block_io: &LinuxBlockIo) -> Io {
    let number = |number: i64| u32::try_from(number).unwrap_or(0);
    let throttles = |devices: &Option<Vec<LinuxThrottleDevice>>| {
        let amount = |device: &LinuxThrottleDevice| DeviceAmount {
            major: number(device.major()),
            minor: number(device.minor()),
            amount: device.rate(),
        };
        devices.iter().flatten().map(amount).collect()
    };
    Io {
        weight: block_io.weight().filter(|weight| *weight != 0),
        weight_device: block_io
            .weight_device()
            .iter()
            .flatten()
            .filter_map(|device| {
                Some(DeviceAmount {
                    major: number(device.major()),
                    minor: number(device.minor()),
                    amount: u64::from(device.weight()?),
                })
            })
            .collect(),
        read_bps: throttles(block_io.throttle_read_bps_device()),
        write_bps: throttles(block_io.throttle_write_bps_device()),
        read_iops: throttles(block_io.throttle_read_iops_device()),
        write_iops: throttles(block_io.throttle_write_iops_device()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_is_no_limit() {
        let json = json!({
            "memory": {"limit": 0, "swap": 0, "reservation": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": ""},
            "blockIO": {"weight": 0},
        });
        assert_eq!(
            super::limits(&serde_json::from_value(json).unwrap()).0,
            Limits::default()
        );
    }

    #[test]
    fn no_processes_is_a_limit() {
        let pids = |limit: i64| {
            let json = json!({"pids": {"limit": limit}});
            super::limits(&serde_json::from_value(json).unwrap()).0.pids
        };
        assert_eq!(pids(0), Some(Ceiling::At(0)));
        assert_eq!(pids(-1), Some(Ceiling::Unlimited));
    }

    #[test]
    fn what_the_engine_has_no_words_for_is_read_too() {
        let resources: LinuxResources = serde_json::from_value(json!({
            "hugepageLimits": [{ "pageSize": "2MB", "limit": 4_194_304 }],
            "rdma": { "mlx5_1": { "hcaHandles": 3 }, "mlx5_0": { "hcaObjects": 9 } },
            "network": { "classID": 1_048_577, "priorities": [{ "name": "eth0", "priority": 5 }] },
            "cpu": { "realtimeRuntime": 5_000, "realtimePeriod": 100_000 }
        }))
        .unwrap();
        let special = special_limits(&resources);
        assert_eq!(special.hugepages[0].bytes, 4_194_304);
        let devices: Vec<_> = special
            .rdma
            .iter()
            .map(|one| (one.device.as_str(), one.handles))
            .collect();
        assert_eq!(devices, [("mlx5_0", None), ("mlx5_1", Some(3))]);
        assert_eq!(special.network_class, Some(1_048_577));
        assert_eq!(special.network_priorities, [("eth0".to_owned(), 5)]);
        assert_eq!(
            (special.realtime_runtime_us, special.realtime_period_us),
            (Some(5_000), Some(100_000))
        );
    }

    #[test]
    fn limits_come_back_as_they_were_written() {
        let limits = Limits {
            memory: Memory {
                limit: Some(Ceiling::At(64 << 20)),
                memory_and_swap: Some(Ceiling::Unlimited),
                reservation_bytes: Some(32 << 20),
                swappiness: Some(10),
                oom_kill_disabled: true,
            },
            cpu: Cpu {
                shares: Some(512),
                quota: Some(Ceiling::At(50_000)),
                period_us: Some(100_000),
                cpus: Some("0-1".to_owned()),
                idle: Some(true),
                ..Cpu::default()
            },
            pids: Some(Ceiling::At(100)),
            io: Io {
                weight: Some(100),
                read_bps: vec![DeviceAmount {
                    major: 8,
                    minor: 0,
                    amount: 1_000_000,
                }],
                ..Io::default()
            },
            unified: vec![("memory.high".to_owned(), "1000000".to_owned())],
        };
        let json = write(&limits, crate::devices::default_rules());
        let resources: LinuxResources = serde_json::from_value(json).unwrap();
        let (read, rules) = super::limits(&resources);
        assert_eq!(read, limits);
        assert!(!rules[0].allow && rules[0].kind == DeviceKind::All);
        assert!(rules[1].mknod && !rules[1].read);
    }
}
