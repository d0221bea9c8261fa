//! Scheduler, disk priority, processors, memory nodes and personality of a process.
//! runtime-spec, config.md, "Linux Process"; config-linux.md, "Memory policy" and
//! "Personality"

use crate::Failure;
use oci_spec::runtime::{
    IOPriorityClass, LinuxIOPriority, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType, Process, Scheduler, Spec,
};
use sys::scheduling::{self, Scheduling};

/// Refuses what would fail only when the container is started.
pub(crate) fn check(spec: &Spec, process: &Process) -> Result<(), Failure> {
    process.scheduler().as_ref().map(scheduling_of).transpose()?;
    process.io_priority().as_ref().map(io_priority_of).transpose()?;
    let affinity = process.exec_cpu_affinity().as_ref();
    for list in [
        affinity.and_then(|it| it.initial().as_deref()),
        affinity.and_then(|it| it.cpu_affinity_final().as_deref()),
    ] {
        processors_of(list)?;
    }
    let linux = spec.linux().as_ref();
    linux
        .and_then(|linux| linux.memory_policy().as_ref())
        .map(memory_policy_of)
        .transpose()?;
    linux
        .and_then(|linux| linux.personality().as_ref())
        .map(persona_of)
        .transpose()?;
    Ok(())
}

/// What belongs to the process itself.
pub(crate) fn apply(process: &Process) -> Result<(), Failure> {
    if let Some(scheduler) = process.scheduler() {
        let wanted = scheduling_of(scheduler)?;
        scheduling::set_scheduling(wanted).map_err(Failure::io(
            "scheduler",
            format!("cannot set scheduler `{}`", scheduler.policy()),
        ))?;
    }
    if let Some(wanted) = process.io_priority() {
        let (class, priority) = io_priority_of(wanted)?;
        scheduling::set_io_priority(class, priority)
            .map_err(Failure::io("ioPriority", format!("cannot set ioPriority {priority}")))?;
    }
    Ok(())
}

/// What belongs to the container and every process in it.
pub(crate) fn apply_of_container(spec: &Spec) -> Result<(), Failure> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    if let Some(policy) = linux.memory_policy() {
        let (mode, nodes) = memory_policy_of(policy)?;
        scheduling::set_memory_policy(mode, &nodes).map_err(Failure::io(
            "memoryPolicy",
            format!(
                "cannot set memory policy `{}` for nodes `{}`",
                policy.mode(),
                policy.nodes().as_deref().unwrap_or_default()
            ),
        ))?;
    }
    if let Some(personality) = linux.personality() {
        scheduling::set_personality(persona_of(personality)?)
            .map_err(Failure::io("personality", "cannot set the personality"))?;
    }
    Ok(())
}

/// The mode with its flags, and the nodes.
fn memory_policy_of(policy: &LinuxMemoryPolicy) -> Result<(i32, Vec<u32>), Failure> {
    let nodes = numbers(policy.nodes().as_deref().unwrap_or_default())
        .map_err(|text| Failure::new("memoryPolicy", format!("`{text}` is no list of memory nodes")))?;
    let flags = policy.flags().iter().flatten();
    let flags = flags.fold(0, |bits, flag| bits | memory_flag(*flag));
    Ok((memory_mode(policy.mode()) | flags, nodes))
}

/// linux/personality.h; the specification knows no flags yet.
fn persona_of(personality: &LinuxPersonality) -> Result<u32, Failure> {
    if let Some(flag) = personality.flags().iter().flatten().next() {
        return Err(Failure::new(
            "personality",
            format!("personality flag `{flag}` is not known"),
        ));
    }
    Ok(match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0x0000,
        LinuxPersonalityDomain::PerLinux32 => 0x0008,
    })
}

/// Class and priority.
fn io_priority_of(wanted: &LinuxIOPriority) -> Result<(u16, u16), Failure> {
    let class = match wanted.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let priority = u16::try_from(wanted.priority()).ok().filter(|priority| *priority < 8);
    let outside = || {
        let why = format!("ioPriority {} is not between 0 and 7", wanted.priority());
        Failure::new("ioPriority", why)
    };
    Ok((class, priority.ok_or_else(outside)?))
}

/// `0-3,7`; nothing is left as it is.
pub(crate) fn set_affinity(list: Option<&str>) -> Result<(), Failure> {
    let processors = processors_of(list)?;
    if processors.is_empty() {
        return Ok(());
    }
    scheduling::set_affinity(&processors).map_err(Failure::io(
        "execCPUAffinity",
        format!("cannot run on processors `{}`", list.unwrap_or_default()),
    ))
}

/// Allows every processor of the cgroup's cpuset: the calling process's own restriction is
/// not the container's. The kernel clears the bits of processors that are not in the cpuset.
pub(crate) fn reset_affinity() {
    let all: Vec<u32> = (0..=HIGHEST).collect();
    // Refused to a process under a deadline policy alone, which keeps what it has.
    let _ = scheduling::set_affinity(&all);
}

/// The calling process's processors as one hexadecimal mask, for messages.
pub(crate) fn affinity_mask() -> String {
    let words = scheduling::affinity().unwrap_or_default();
    let mut words = words.iter().rev().skip_while(|word| **word == 0);
    let first = words
        .next()
        .map_or_else(|| "0x0".to_owned(), |word| format!("{word:#x}"));
    words.fold(first, |mask, word| format!("{mask}{word:016x}"))
}

fn processors_of(list: Option<&str>) -> Result<Vec<u32>, Failure> {
    numbers(list.unwrap_or_default())
        .map_err(|text| Failure::new("execCPUAffinity", format!("`{text}` is no list of processors")))
}

/// sched(7); linux/sched.h
fn scheduling_of(scheduler: &Scheduler) -> Result<Scheduling, Failure> {
    let policy = match scheduler.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &LinuxSchedulerFlag| match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    };
    let priority = u32::try_from(scheduler.priority().unwrap_or(0))
        .map_err(|_| Failure::new("scheduler", "scheduler.priority is below 0"))?;
    Ok(Scheduling {
        policy,
        flags: scheduler
            .flags()
            .iter()
            .flatten()
            .map(flag)
            .fold(0, |bits, bit| bits | bit),
        nice: scheduler.nice().unwrap_or(0),
        priority,
        runtime: scheduler.runtime().unwrap_or(0),
        deadline: scheduler.deadline().unwrap_or(0),
        period: scheduler.period().unwrap_or(0),
    })
}

/// linux/mempolicy.h
const MEMORY_MODES: [(MemoryPolicyModeType, i32); 7] = [
    (MemoryPolicyModeType::MpolDefault, 0),
    (MemoryPolicyModeType::MpolPreferred, 1),
    (MemoryPolicyModeType::MpolBind, 2),
    (MemoryPolicyModeType::MpolInterleave, 3),
    (MemoryPolicyModeType::MpolLocal, 4),
    (MemoryPolicyModeType::MpolPreferredMany, 5),
    (MemoryPolicyModeType::MpolWeightedInterleave, 6),
];

const MEMORY_FLAGS: [(MemoryPolicyFlagType, i32); 3] = [
    (MemoryPolicyFlagType::MpolFNumaBalancing, 1 << 13),
    (MemoryPolicyFlagType::MpolFRelativeNodes, 1 << 14),
    (MemoryPolicyFlagType::MpolFStaticNodes, 1 << 15),
];

fn memory_mode(mode: MemoryPolicyModeType) -> i32 {
    let found = MEMORY_MODES.iter().find(|(known, _)| *known == mode);
    found.map_or(0, |(_, number)| *number)
}

fn memory_flag(flag: MemoryPolicyFlagType) -> i32 {
    let found = MEMORY_FLAGS.iter().find(|(known, _)| *known == flag);
    found.map_or(0, |(_, bit)| *bit)
}

/// By the names of the specification.
pub(crate) fn memory_modes() -> Vec<String> {
    MEMORY_MODES.iter().map(|(mode, _)| mode.to_string()).collect()
}

pub(crate) fn memory_flags() -> Vec<String> {
    MEMORY_FLAGS.iter().map(|(flag, _)| flag.to_string()).collect()
}

/// More processors or nodes than any host has are a mistake.
const HIGHEST: u32 = 8191;

/// `0-3,7`; gives back the part that is none.
fn numbers(list: &str) -> Result<Vec<u32>, String> {
    let mut all = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number <= HIGHEST);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => all.extend(first..=last),
            _ => return Err(part.to_owned()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers_are_read_with_their_ranges() {
        assert_eq!(numbers("0-3,7").unwrap(), [0, 1, 2, 3, 7]);
        assert_eq!(numbers("").unwrap(), [0; 0]);
        for wrong in ["3-1", "a", "-1", "1-", "99999999"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
    }
}
