//! `ps` and `events`: what a container's processes are and use.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result};
use cgroup::Usage;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

pub(super) fn ps(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut id, mut as_json) = (None, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "f" | "format") => as_json = arguments.value()? == "json",
            Argument::Switch(name) => return unknown(&name),
            Argument::Operand(text) if id.is_none() => id = Some(text),
            // Options for ps(1), which is not called.
            Argument::Operand(_) => drop(arguments.rest()?),
        }
    }
    let state = StateFile::load(global, &id.context("name the container")?)?;
    let pids = state.group()?.processes()?;
    if as_json {
        println!("{}", json!(pids));
        return Ok(());
    }
    println!("{:>8} COMMAND", "PID");
    for pid in pids {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        println!("{pid:>8} {}", command.trim_end());
    }
    Ok(())
}

pub(super) fn events(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut id, mut once, mut interval) = (None, false, 5u64);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if name == "stats" => once = true,
            Argument::Switch(name) if name == "interval" => {
                let text = arguments.value()?;
                interval = text.trim_end_matches('s').parse().context("--interval takes seconds")?;
            }
            Argument::Switch(name) => return unknown(&name),
            Argument::Operand(text) => id = Some(text),
        }
    }
    let state = StateFile::load(global, &id.context("name the container")?)?;
    let group = state.group()?;
    let mut oom_kills = group.oom_kills().unwrap_or(0);
    loop {
        println!("{}", stats(&state.id, &group.usage()?));
        if once {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(interval.max(1)));
        if state.status(global)? == Status::Stopped {
            return Ok(());
        }
        let now = group.oom_kills().unwrap_or(oom_kills);
        if now > oom_kills {
            oom_kills = now;
            println!("{}", json!({"type": "oom", "id": state.id}));
        }
    }
}

fn stats(id: &str, usage: &Usage) -> Value {
    json!({
        "type": "stats",
        "id": id,
        "data": {
            "cpu": {
                "usage": {
                    "total": usage.cpu_total_ns,
                    "kernel": usage.cpu_system_ns,
                    "user": usage.cpu_user_ns,
                },
                "throttling": {
                    "periods": usage.periods,
                    "throttledPeriods": usage.throttled_periods,
                    "throttledTime": usage.throttled_ns,
                },
            },
            "memory": {
                "cache": usage.memory_cache_bytes,
                "usage": {
                    "limit": usage.memory_limit_bytes.unwrap_or(u64::MAX),
                    "usage": usage.memory_raw_bytes,
                    "max": usage.memory_peak_bytes,
                },
                "swap": { "usage": usage.swap_bytes },
            },
            "pids": { "current": usage.pids, "limit": usage.pids_limit.unwrap_or(0) },
            "blkio": {
                "ioServiceBytesRecursive": [
                    {"op": "Read", "value": usage.io_read_bytes},
                    {"op": "Write", "value": usage.io_write_bytes},
                ],
                "ioServicedRecursive": [
                    {"op": "Read", "value": usage.io_reads},
                    {"op": "Write", "value": usage.io_writes},
                ],
            },
        },
    })
}
