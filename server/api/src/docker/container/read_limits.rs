//! What a container may use, from `HostConfig` and from the body of an update,
//! which has the same fields.

use super::super::problem::Failure;
use bollard_stubs::models::{
    ContainerUpdateBody, DeviceMapping, HostConfig, ResourcesBlkioWeightDevice, ThrottleDevice,
};
use engine::NewContainer;
use model::container::Limits;
use model::container::limits::{Ceiling, Cpu, DeviceAmount};
use model::container::spec::Device;
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;

pub(in crate::docker) fn limits(host: &HostConfig, container: &mut NewContainer) -> Result<(), Failure> {
    let mut resources = Resources {
        cpu_shares: host.cpu_shares,
        memory: host.memory,
        blkio_weight: host.blkio_weight,
        blkio_weight_device: host.blkio_weight_device.as_deref().unwrap_or_default(),
        read_bps: host.blkio_device_read_bps.as_deref().unwrap_or_default(),
        write_bps: host.blkio_device_write_bps.as_deref().unwrap_or_default(),
        read_iops: host.blkio_device_read_iops.as_deref().unwrap_or_default(),
        write_iops: host.blkio_device_write_iops.as_deref().unwrap_or_default(),
        cpu_period: host.cpu_period,
        cpu_quota: host.cpu_quota,
        cpuset_cpus: host.cpuset_cpus.as_deref(),
        cpuset_mems: host.cpuset_mems.as_deref(),
        memory_reservation: host.memory_reservation,
        memory_swap: host.memory_swap,
        memory_swappiness: host.memory_swappiness,
        nano_cpus: host.nano_cpus,
        oom_kill_disable: host.oom_kill_disable,
        pids_limit: host.pids_limit,
    };
    // As much swap as memory, unless something else is said.
    if let (Some(memory @ 1..), None | Some(0)) = (resources.memory, resources.memory_swap) {
        resources.memory_swap = Some(memory.saturating_mul(2));
    }
    container.limits = resources.read()?;
    container.devices = host.devices.iter().flatten().map(device).collect::<Result<_, _>>()?;
    refuse_others(&Others {
        cgroup_parent: host.cgroup_parent.as_deref(),
        cpu_realtime_period: host.cpu_realtime_period,
        cpu_realtime_runtime: host.cpu_realtime_runtime,
        device_cgroup_rules: host.device_cgroup_rules.as_deref(),
        device_requests: host.device_requests.as_ref().is_some_and(|all| !all.is_empty()),
        cpu_count: host.cpu_count,
        cpu_percent: host.cpu_percent,
        io_maximum_iops: host.io_maximum_iops,
        io_maximum_bandwidth: host.io_maximum_bandwidth,
    })
}

/// Fields of both bodies that newer versions of the API do not have any more. Clients that
/// still send them mean a limit.
pub(super) fn refuse_kernel_memory(resources: &Value) -> Result<(), Failure> {
    for name in ["KernelMemory", "KernelMemoryTCP"] {
        let is_set = resources
            .get(name)
            .and_then(Value::as_i64)
            .is_some_and(|bytes| bytes != 0);
        if is_set {
            return Err(Failure::unsupported(&format!("HostConfig.{name}")));
        }
    }
    Ok(())
}

/// Only what is said changes; the restart policy is read elsewhere.
pub(super) fn update(body: &ContainerUpdateBody) -> Result<Limits, Failure> {
    let ContainerUpdateBody {
        cpu_shares,
        memory,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device,
        blkio_device_read_bps,
        blkio_device_write_bps,
        blkio_device_read_iops,
        blkio_device_write_iops,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices,
        device_cgroup_rules,
        device_requests,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        nano_cpus,
        oom_kill_disable,
        init,
        pids_limit,
        ulimits,
        cpu_count,
        cpu_percent,
        io_maximum_iops,
        io_maximum_bandwidth,
        restart_policy: _,
    } = body;
    refuse_others(&Others {
        cgroup_parent: cgroup_parent.as_deref(),
        cpu_realtime_period: *cpu_realtime_period,
        cpu_realtime_runtime: *cpu_realtime_runtime,
        device_cgroup_rules: device_cgroup_rules.as_deref(),
        device_requests: device_requests.as_ref().is_some_and(|all| !all.is_empty()),
        cpu_count: *cpu_count,
        cpu_percent: *cpu_percent,
        io_maximum_iops: *io_maximum_iops,
        io_maximum_bandwidth: *io_maximum_bandwidth,
    })?;
    if devices.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(Failure::unsupported("Devices of a container that exists"));
    }
    if ulimits.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(Failure::unsupported("Ulimits of a container that exists"));
    }
    if init.is_some() {
        return Err(Failure::unsupported("Init of a container that exists"));
    }
    Resources {
        cpu_shares: *cpu_shares,
        memory: *memory,
        blkio_weight: *blkio_weight,
        blkio_weight_device: blkio_weight_device.as_deref().unwrap_or_default(),
        read_bps: blkio_device_read_bps.as_deref().unwrap_or_default(),
        write_bps: blkio_device_write_bps.as_deref().unwrap_or_default(),
        read_iops: blkio_device_read_iops.as_deref().unwrap_or_default(),
        write_iops: blkio_device_write_iops.as_deref().unwrap_or_default(),
        cpu_period: *cpu_period,
        cpu_quota: *cpu_quota,
        cpuset_cpus: cpuset_cpus.as_deref(),
        cpuset_mems: cpuset_mems.as_deref(),
        memory_reservation: *memory_reservation,
        memory_swap: *memory_swap,
        memory_swappiness: *memory_swappiness,
        nano_cpus: *nano_cpus,
        oom_kill_disable: *oom_kill_disable,
        pids_limit: *pids_limit,
    }
    .read()
}

/// The fields that both bodies have, and that mean something here. 0 and the
/// empty text say nothing.
struct Resources<'a> {
    cpu_shares: Option<i64>,
    memory: Option<i64>,
    blkio_weight: Option<u16>,
    blkio_weight_device: &'a [ResourcesBlkioWeightDevice],
    read_bps: &'a [ThrottleDevice],
    write_bps: &'a [ThrottleDevice],
    read_iops: &'a [ThrottleDevice],
    write_iops: &'a [ThrottleDevice],
    cpu_period: Option<i64>,
    cpu_quota: Option<i64>,
    cpuset_cpus: Option<&'a str>,
    cpuset_mems: Option<&'a str>,
    memory_reservation: Option<i64>,
    memory_swap: Option<i64>,
    memory_swappiness: Option<i64>,
    nano_cpus: Option<i64>,
    oom_kill_disable: Option<bool>,
    pids_limit: Option<i64>,
}

impl Resources<'_> {
    fn read(&self) -> Result<Limits, Failure> {
        let mut limits = Limits::default();
        limits.memory.limit = ceiling("Memory", self.memory)?;
        limits.memory.memory_and_swap = ceiling("MemorySwap", self.memory_swap)?;
        limits.memory.reservation_bytes = amount("MemoryReservation", self.memory_reservation)?;
        limits.memory.swappiness = match self.memory_swappiness {
            None | Some(-1) => None,
            Some(value) => Some(u8::try_from(value).ok().filter(|value| *value <= 100).ok_or_else(|| {
                Failure::invalid(format!(
                    "Invalid value: {value}, valid memory swappiness range is 0-100"
                ))
            })?),
        };
        limits.memory.oom_kill_disabled = self.oom_kill_disable.unwrap_or(false);
        let nano_cpus = amount("NanoCpus", self.nano_cpus)?;
        let period = amount("CpuPeriod", self.cpu_period)?;
        let quota = ceiling("CpuQuota", self.cpu_quota)?;
        limits.cpu = match nano_cpus {
            Some(_) if period.is_some() => {
                return Err(Failure::invalid(
                    "Conflicting options: Nano CPUs and CPU Period cannot both be set.",
                ));
            }
            Some(_) if quota.is_some() => {
                return Err(Failure::invalid(
                    "Conflicting options: Nano CPUs and CPU Quota cannot both be set.",
                ));
            }
            Some(nano_cpus) => Cpu::from_nano_cpus(nano_cpus),
            None => Cpu {
                quota,
                period_us: period,
                ..Cpu::default()
            },
        };
        limits.cpu.shares = amount("CpuShares", self.cpu_shares)?;
        limits.cpu.cpus = self.cpuset_cpus.filter(|list| !list.is_empty()).map(str::to_owned);
        limits.cpu.mems = self.cpuset_mems.filter(|list| !list.is_empty()).map(str::to_owned);
        limits.pids = ceiling("PidsLimit", self.pids_limit)?;
        limits.io.weight = self.blkio_weight.filter(|weight| *weight != 0);
        limits.io.weight_device = self
            .blkio_weight_device
            .iter()
            .map(|device| device_amount(device.path.as_deref(), device.weight.unwrap_or(0) as u64))
            .collect::<Result<_, _>>()?;
        limits.io.read_bps = throttles(self.read_bps)?;
        limits.io.write_bps = throttles(self.write_bps)?;
        limits.io.read_iops = throttles(self.read_iops)?;
        limits.io.write_iops = throttles(self.write_iops)?;
        Ok(limits)
    }
}

/// What both bodies have and this engine has not.
struct Others<'a> {
    cgroup_parent: Option<&'a str>,
    cpu_realtime_period: Option<i64>,
    cpu_realtime_runtime: Option<i64>,
    device_cgroup_rules: Option<&'a [String]>,
    device_requests: bool,
    cpu_count: Option<i64>,
    cpu_percent: Option<i64>,
    io_maximum_iops: Option<i64>,
    io_maximum_bandwidth: Option<i64>,
}

fn refuse_others(others: &Others<'_>) -> Result<(), Failure> {
    let set = |value: Option<i64>| value.is_some_and(|value| value != 0);
    let refused = [
        (
            "CgroupParent",
            others.cgroup_parent.is_some_and(|path| !path.is_empty()),
        ),
        ("CpuRealtimePeriod", set(others.cpu_realtime_period)),
        ("CpuRealtimeRuntime", set(others.cpu_realtime_runtime)),
        (
            "DeviceCgroupRules",
            others.device_cgroup_rules.is_some_and(|rules| !rules.is_empty()),
        ),
        ("DeviceRequests", others.device_requests),
        ("CpuCount", set(others.cpu_count)),
        ("CpuPercent", set(others.cpu_percent)),
        ("IOMaximumIOps", set(others.io_maximum_iops)),
        ("IOMaximumBandwidth", set(others.io_maximum_bandwidth)),
    ];
    match refused.into_iter().find(|(_, refused)| *refused) {
        Some((name, _)) => Err(Failure::unsupported(&format!("HostConfig.{name}"))),
        None => Ok(()),
    }
}

fn amount(name: &str, value: Option<i64>) -> Result<Option<u64>, Failure> {
    match value {
        None | Some(0) => Ok(None),
        Some(value) => u64::try_from(value)
            .map(Some)
            .map_err(|_| Failure::invalid(format!("{name}: {value} is below zero"))),
    }
}

/// −1 is explicitly none.
fn ceiling(name: &str, value: Option<i64>) -> Result<Option<Ceiling>, Failure> {
    match value {
        Some(-1) => Ok(Some(Ceiling::Unlimited)),
        value => Ok(amount(name, value)?.map(Ceiling::At)),
    }
}

fn throttles(devices: &[ThrottleDevice]) -> Result<Vec<DeviceAmount>, Failure> {
    devices
        .iter()
        .map(|device| device_amount(device.path.as_deref(), amount("Rate", device.rate)?.unwrap_or(0)))
        .collect()
}

fn device_amount(path: Option<&str>, amount: u64) -> Result<DeviceAmount, Failure> {
    let path = path.unwrap_or_default();
    if let Some((major, minor)) = numbers(path) {
        return Ok(DeviceAmount { major, minor, amount });
    }
    let number = std::fs::metadata(path)
        .map_err(|error| Failure::invalid(format!("device `{path}` cannot be read: {error}")))?
        .rdev();
    if number == 0 {
        return Err(Failure::invalid(format!("`{path}` is not a device")));
    }
    // makedev(3)
    let major = (number >> 8 & 0xfff) | (number >> 32 & !0xfff);
    let minor = (number & 0xff) | (number >> 12 & !0xff & 0xffff_ffff);
    let narrow = |number: u64| u32::try_from(number).map_err(|_| Failure::invalid(format!("`{path}` is not a device")));
    Ok(DeviceAmount {
        major: narrow(major)?,
        minor: narrow(minor)?,
        amount,
    })
}

/// Of a device by its numbers, as inspections show it: `/dev/block/8:0`. Not every host has
/// these links.
fn numbers(path: &str) -> Option<(u32, u32)> {
    let (major, minor) = path.strip_prefix("/dev/block/")?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn device(mapping: &DeviceMapping) -> Result<Device, Failure> {
    let host_path = mapping.path_on_host.clone().unwrap_or_default();
    if !host_path.starts_with('/') {
        return Err(Failure::invalid(format!(
            "error gathering device information while adding custom device \"{host_path}\": not an absolute path"
        )));
    }
    let or = |value: &Option<String>, otherwise: &str| {
        value
            .clone()
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    };
    Ok(Device {
        container_path: or(&mapping.path_in_container, &host_path),
        access: or(&mapping.cgroup_permissions, "rwm"),
        host_path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_brings_as_much_swap_unless_said_otherwise() {
        let read = |memory, swap| {
            let host = HostConfig {
                memory: Some(memory),
                memory_swap: swap,
                ..HostConfig::default()
            };
            let mut container = NewContainer::of_image("x");
            limits(&host, &mut container).expect("valid");
            container.limits.memory.memory_and_swap
        };
        assert_eq!(read(100, None), Some(Ceiling::At(200)));
        assert_eq!(read(100, Some(-1)), Some(Ceiling::Unlimited));
        assert_eq!(read(0, None), None);
    }

    #[test]
    fn what_cannot_be_limited_is_refused_by_name() {
        let host = HostConfig {
            cpu_realtime_runtime: Some(1),
            ..HostConfig::default()
        };
        let refused = limits(&host, &mut NewContainer::of_image("x")).expect_err("refused");
        assert!(refused.message.contains("CpuRealtimeRuntime"));
    }

    #[test]
    fn a_device_is_found_by_its_numbers() {
        let found = device_amount(Some("/dev/null"), 7).expect("there");
        assert_eq!((found.major, found.minor, found.amount), (1, 3, 7));
        assert!(device_amount(Some("/"), 7).is_err());
        let by_numbers = device_amount(Some("/dev/block/259:3"), 7).expect("valid");
        assert_eq!((by_numbers.major, by_numbers.minor), (259, 3));
    }
}
