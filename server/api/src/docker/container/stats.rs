//! `GET /containers/{id}/stats`: once a second, or once.

use super::show::NEVER;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine::{Container, CpuUse, Engine, Stats};
use serde_json::{Value, json};

pub(in crate::docker) async fn stats(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Failure> {
    let id = engine.find(&name)?;
    let container = engine.inspect(&id)?;
    let cgroup_v2 = engine.host_info().cgroup_v2;
    if !query.flag_or("stream", true) {
        let stats = engine.sampled_stats(&id, !query.flag("one-shot")).await?;
        return Ok(Json(show(&container, stats.as_deref(), cgroup_v2)).into_response());
    }
    let mut rounds = engine.stats_rounds();
    let mut changes = engine.watch(&id)?;
    let body = stream::body(move |sender| async move {
        let first = engine.sampled_stats(&id, false).await.ok().flatten();
        let container = changes.borrow_and_update().clone();
        sender.send_json(&show(&container, first.as_deref(), cgroup_v2)).await?;
        loop {
            if rounds.changed().await.is_err() {
                return Ok(());
            }
            let stats = {
                let round = rounds.borrow_and_update();
                round.containers.iter().find(|stats| stats.container == id).cloned()
            };
            if changes.has_changed().is_err() {
                // Removed.
                return Ok(());
            }
            let container = changes.borrow_and_update().clone();
            sender.send_json(&show(&container, stats.as_deref(), cgroup_v2)).await?;
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Zeros where nothing runs, as clients expect it.
fn show(container: &Container, stats: Option<&Stats>, cgroup_v2: bool) -> Value {
    let name = format!("/{}", container.spec.name);
    let Some(stats) = stats else {
        return json!({
            "name": name,
            "id": container.id.as_str(),
            "read": NEVER,
            "preread": NEVER,
            "pids_stats": {},
            "blkio_stats": empty_io(),
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": cpu(&CpuUse::default()),
            "precpu_stats": cpu(&CpuUse::default()),
            "memory_stats": {},
        });
    };
    let memory = &stats.memory;
    let inactive = memory.raw_bytes.saturating_sub(memory.used_bytes);
    let mut details = json!({ "inactive_file": inactive, "cache": memory.cache_bytes });
    if !cgroup_v2 {
        // What clients subtract on the older hierarchy.
        details["total_inactive_file"] = inactive.into();
    }
    let mut pids = json!({ "current": stats.pids });
    if let Some(limit) = stats.pids_limit {
        pids["limit"] = limit.into();
    }
    let mut shown = json!({
        "name": name,
        "id": container.id.as_str(),
        "read": stats.at.to_string(),
        "preread": stats.previous_cpu.map_or_else(|| NEVER.to_owned(), |_| a_second_before(stats)),
        "pids_stats": pids,
        "blkio_stats": io(stats),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(&stats.cpu),
        "precpu_stats": cpu(&stats.previous_cpu.unwrap_or_default()),
        "memory_stats": {
            "usage": memory.raw_bytes,
            "max_usage": memory.peak_bytes,
            "limit": memory.limit_bytes,
            "failcnt": 0,
            "stats": details,
        },
    });
    if let Some(network) = &stats.network {
        shown["networks"] = json!({ "eth0": {
            "rx_bytes": network.received_bytes,
            "rx_packets": network.received_packets,
            "rx_errors": network.received_errors,
            "rx_dropped": network.received_dropped,
            "tx_bytes": network.sent_bytes,
            "tx_packets": network.sent_packets,
            "tx_errors": network.sent_errors,
            "tx_dropped": network.sent_dropped,
        } });
    }
    shown
}

fn a_second_before(stats: &Stats) -> String {
    model::Timestamp::from_unix_nanos(stats.at.as_unix_nanos() - 1_000_000_000).to_string()
}

fn cpu(cpu: &CpuUse) -> Value {
    json!({
        "cpu_usage": {
            "total_usage": cpu.total_ns,
            "usage_in_kernelmode": cpu.system_ns,
            "usage_in_usermode": cpu.user_ns,
        },
        "system_cpu_usage": cpu.host_ns,
        "online_cpus": cpu.online_cpus,
        "throttling_data": {
            "periods": cpu.periods,
            "throttled_periods": cpu.throttled_periods,
            "throttled_time": cpu.throttled_ns,
        },
    })
}

fn empty_io() -> Value {
    json!({
        "io_service_bytes_recursive": null,
        "io_serviced_recursive": null,
        "io_queue_recursive": null,
        "io_service_time_recursive": null,
        "io_wait_time_recursive": null,
        "io_merged_recursive": null,
        "io_time_recursive": null,
        "sectors_recursive": null,
    })
}

/// Counted for all devices together.
fn io(stats: &Stats) -> Value {
    let entry = |op: &str, value: u64| json!({ "major": 0, "minor": 0, "op": op, "value": value });
    let mut shown = empty_io();
    shown["io_service_bytes_recursive"] =
        json!([entry("read", stats.io.read_bytes), entry("write", stats.io.write_bytes)]);
    shown["io_serviced_recursive"] = json!([entry("read", stats.io.reads), entry("write", stats.io.writes)]);
    shown
}
