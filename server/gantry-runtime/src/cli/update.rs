//! `update`: changes the limits of a container while it lives.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::StateFile;
use anyhow::{Context as _, Result, bail};
use runtime::resctrl::Class;
use serde_json::{Value, json};
use std::io::Read as _;

pub(super) fn update(global: &Global, mut arguments: Arguments) -> Result<()> {
    let mut id = None;
    let mut resources = json!({});
    let mut schemata = Vec::new();
    while let Some(argument) = arguments.next()? {
        let name = match argument {
            Argument::Operand(text) => {
                id = Some(text);
                continue;
            }
            Argument::Switch(name) => name,
        };
        let (group, field) = match name.as_str() {
            "r" | "resources" => {
                resources = read(&arguments.value()?)?;
                continue;
            }
            "cpuset-cpus" | "cpuset-mems" => {
                let field = name.trim_start_matches("cpuset-");
                resources["cpu"][field] = arguments.value()?.into();
                continue;
            }
            "cpu-period" => ("cpu", "period"),
            "cpu-quota" => ("cpu", "quota"),
            "cpu-burst" => ("cpu", "burst"),
            "cpu-share" | "cpu-shares" => ("cpu", "shares"),
            "cpu-idle" => ("cpu", "idle"),
            "memory" | "memory-reservation" | "memory-swap" => {
                let field = match name.as_str() {
                    "memory" => "limit",
                    other => other.trim_start_matches("memory-"),
                };
                resources["memory"][field] = arguments.bytes()?.into();
                continue;
            }
            // Kernels that could limit it are gone.
            "kernel-memory" | "kernel-memory-tcp" => {
                arguments.value()?;
                super::log::warning(
                    global,
                    &format!("--{name} has no effect: kernels do not limit it any more"),
                );
                continue;
            }
            "l3-cache-schema" | "mem-bw-schema" => {
                schemata.push(arguments.value()?);
                continue;
            }
            "cpu-rt-period" => ("cpu", "realtimePeriod"),
            "cpu-rt-runtime" => ("cpu", "realtimeRuntime"),
            "pids-limit" => ("pids", "limit"),
            "blkio-weight" => ("blockIO", "weight"),
            _ => return unknown(&name),
        };
        resources[group][field] = arguments.number::<i64>()?.into();
    }
    let state = StateFile::load(global, &id.context("name the container")?)?;
    if let Some(idle) = resources["cpu"]["idle"].as_i64().filter(|idle| !(0..=1).contains(idle)) {
        bail!("cpu.idle is {idle}; it can be 0 or 1");
    }
    let resources = serde_json::from_value(resources).context("the resources are not as the specification has them")?;
    let (limits, _) = bundle::limits(&resources);
    let group = state.group()?;
    if !schemata.is_empty() {
        let class = Class::of(&state.spec(global)?, &state.id)?;
        class
            .context("the container has no class of service")?
            .change(&schemata)?;
    }
    group.update_all(&limits, &bundle::special_limits(&resources))?;
    super::systemd::tell(state.unit.as_deref(), &group)?;
    for ignored in group.ignored(&limits) {
        super::log::warning(global, ignored);
    }
    Ok(())
}

/// The `resources` object from a file, or from the standard input by `-`.
fn read(path: &str) -> Result<Value> {
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    }
    serde_json::from_str(&text).with_context(|| format!("`{path}` is not JSON"))
}
