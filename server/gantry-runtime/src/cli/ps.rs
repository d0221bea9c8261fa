//! `ps` and `events`: what a container's processes are and use.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result, bail};
use cgroup::Usage;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

pub(super) fn ps(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut id, mut as_json) = (None, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "f" | "format") => {
                as_json = arguments.is_json_format()?;
            }
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
        println!("{pid:>8} {}", shown(&command));
    }
    Ok(())
}

/// Words with spaces between them. They are the container's own, and must give no orders
/// to the terminal they are shown on.
fn shown(command_line: &[u8]) -> String {
    let text = String::from_utf8_lossy(command_line).replace('\0', " ");
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    text.trim_end().chars().map(plain).collect()
}

pub(super) fn events(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut id, mut once, mut interval) = (None, false, Duration::from_secs(5));
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if name == "stats" => once = arguments.flag()?,
            Argument::Switch(name) if name == "interval" => interval = duration(&arguments.value()?)?,
            Argument::Switch(name) => return unknown(&name),
            Argument::Operand(text) => id = Some(text),
        }
    }
    let state = StateFile::load(global, &id.context("name the container")?)?;
    let group = state.group()?;
    let mut oom_kills = group.oom_kills().unwrap_or(0);
    loop {
        println!("{}", event("stats", &state.id, Some(&stats(&group.usage()?))));
        if once {
            return Ok(());
        }
        std::thread::sleep(interval);
        if state.status(global)? == Status::Stopped {
            return Ok(());
        }
        let now = group.oom_kills().unwrap_or(oom_kills);
        if now > oom_kills {
            oom_kills = now;
            println!("{}", event("oom", &state.id, None));
        }
    }
}

/// `5s`, `1m30s`, `500ms`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration> {
    let wrong = || format!("`{text}` is no duration such as `5s`");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = after
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let number: u32 = number.parse().ok().with_context(wrong)?;
        let one = match unit {
            "ms" => Duration::from_millis(1),
            "" | "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => bail!(wrong()),
        };
        total = one
            .checked_mul(number)
            .and_then(|part| total.checked_add(part))
            .with_context(wrong)?;
        rest = after;
    }
    if total.is_zero() {
        bail!("an interval has to be longer than nothing");
    }
    Ok(total)
}

/// With its fields in the order that other runtimes write them.
fn event(kind: &str, id: &str, data: Option<&Value>) -> String {
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    format!("{{\"type\":{},\"id\":{}{data}}}", json!(kind), json!(id))
}

fn stats(usage: &Usage) -> Value {
    json!({
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
                    "failcnt": 0,
                },
                // Memory and swap together, as v1 counts.
                "swap": {
                    "limit": 0, "usage": usage.memory_raw_bytes + usage.swap_bytes, "max": 0, "failcnt": 0,
                },
                "kernel": { "limit": 0, "failcnt": 0 },
                "kernelTCP": { "limit": 0, "failcnt": 0 },
            },
            "pids": { "current": usage.pids, "limit": usage.pids_limit.unwrap_or(0) },
            "blkio": {
                "ioServiceBytesRecursive": [
                    {"major": 0, "minor": 0, "op": "Read", "value": usage.io_read_bytes},
                    {"major": 0, "minor": 0, "op": "Write", "value": usage.io_write_bytes},
                ],
                "ioServicedRecursive": [
                    {"major": 0, "minor": 0, "op": "Read", "value": usage.io_reads},
                    {"major": 0, "minor": 0, "op": "Write", "value": usage.io_writes},
                ],
            },
            "hugetlb": {},
            "intel_rdt": {},
            "network_interfaces": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_other_runtimes_do() {
        assert_eq!(duration("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("7").unwrap(), Duration::from_secs(7));
        for wrong in ["", "0s", "s", "5x", "-1s", "99999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
