//! What containers and the host use.

use super::body::{Path, Query};
use super::front::Front;
use super::problem::{Answer, Failure};
use super::stream;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};
use engine::{CpuUse, HostStats as EnginesHost, Point, Stats as Engines};
use serde::Deserialize;
use shared::stats::{History, HostHistory, HostStats, Stats};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(of_container))
        .routes(routes!(history))
        .routes(routes!(follow))
        .routes(routes!(of_host))
        .routes(routes!(host_history))
}

/// `host_memory` tells a limit from none.
pub(super) fn shown(stats: &Engines, host_memory: u64) -> Stats {
    let network = stats.network.unwrap_or_default();
    Stats {
        id: stats.container.to_string(),
        time: stats.at.to_string(),
        cpu_cores: stats.cpu_percent / 100.0,
        cpu_user_cores: cores(stats, |cpu| cpu.user_ns),
        cpu_system_cores: cores(stats, |cpu| cpu.system_ns),
        throttled_share: throttled(stats),
        memory_bytes: stats.memory.used_bytes,
        memory_cache_bytes: stats.memory.cache_bytes,
        memory_limit_bytes: Some(stats.memory.limit_bytes).filter(|limit| *limit < host_memory),
        memory_peak_bytes: Some(stats.memory.peak_bytes).filter(|peak| *peak > 0),
        swap_bytes: stats.memory.swap_bytes,
        pids: stats.pids,
        pids_limit: stats.pids_limit,
        forks_refused: stats.forks_refused,
        io_read_rate: stats.io.read_bytes_per_s,
        io_write_rate: stats.io.write_bytes_per_s,
        network_received_rate: network.received_bytes_per_s,
        network_sent_rate: network.sent_bytes_per_s,
        io_read_bytes: stats.io.read_bytes,
        io_write_bytes: stats.io.write_bytes,
        network_received_bytes: network.received_bytes,
        network_sent_bytes: network.sent_bytes,
        oom_kills: stats.oom_kills,
    }
}

/// Processors kept busy since the sample before.
fn cores(stats: &Engines, time: fn(&CpuUse) -> u64) -> f64 {
    let Some(before) = stats.previous_cpu else {
        return 0.0;
    };
    let passed = stats.cpu.host_ns.saturating_sub(before.host_ns) as f64 / f64::from(stats.cpu.online_cpus.max(1));
    if passed <= 0.0 {
        return 0.0;
    }
    time(&stats.cpu).saturating_sub(time(&before)) as f64 / passed
}

fn throttled(stats: &Engines) -> f64 {
    let before = stats.previous_cpu.unwrap_or_default();
    let periods = stats.cpu.periods.saturating_sub(before.periods);
    let held = stats.cpu.throttled_periods.saturating_sub(before.throttled_periods);
    if periods == 0 {
        0.0
    } else {
        held as f64 / periods as f64
    }
}

/// A point of the charts; what it does not hold is 0.
fn point(id: &str, point: &Point, host_memory: u64) -> Stats {
    Stats {
        id: id.to_owned(),
        time: point.at.to_string(),
        cpu_cores: f64::from(point.cpu_percent) / 100.0,
        cpu_user_cores: 0.0,
        cpu_system_cores: 0.0,
        throttled_share: f64::from(point.throttled_percent) / 100.0,
        memory_bytes: point.memory_bytes,
        memory_cache_bytes: 0,
        memory_limit_bytes: Some(point.memory_limit_bytes).filter(|limit| *limit < host_memory),
        memory_peak_bytes: None,
        swap_bytes: 0,
        pids: u64::from(point.pids),
        pids_limit: None,
        forks_refused: 0,
        io_read_rate: f64::from(point.read_bytes_per_s),
        io_write_rate: f64::from(point.write_bytes_per_s),
        network_received_rate: f64::from(point.received_bytes_per_s),
        network_sent_rate: f64::from(point.sent_bytes_per_s),
        io_read_bytes: 0,
        io_write_bytes: 0,
        network_received_bytes: 0,
        network_sent_bytes: 0,
        oom_kills: 0,
    }
}

pub(super) fn shown_host(host: &EnginesHost) -> HostStats {
    HostStats {
        time: host.at.to_string(),
        cpu_percent: host.cpu_percent,
        memory_used_bytes: host.memory_total_bytes.saturating_sub(host.memory_available_bytes),
        memory_total_bytes: host.memory_total_bytes,
        swap_used_bytes: host.swap_total_bytes.saturating_sub(host.swap_free_bytes),
        swap_total_bytes: host.swap_total_bytes,
        disk_used_bytes: host.disk_total_bytes.saturating_sub(host.disk_free_bytes),
        disk_total_bytes: host.disk_total_bytes,
        load: host.load,
        network_received_rate: host.received_bytes_per_s,
        network_sent_rate: host.sent_bytes_per_s,
    }
}

/// Returns the latest sample of a running container.
#[utoipa::path(get, path = "/containers/{id}/stats", tag = "stats", params(("id" = String, Path)), responses((status = 200, body = Stats)))]
async fn of_container(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Stats>> {
    let found = front.engine.find(&id)?;
    let host_memory = front.engine.host_stats().memory_total_bytes;
    match front.engine.stats(&found)? {
        Some(stats) => Ok(Json(shown(&stats, host_memory))),
        None => Err(Failure::new(
            StatusCode::CONFLICT,
            "no_sample",
            format!("container `{id}` is not running, or not long enough to be measured"),
        )),
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Past {
    /// Seconds back from now. Default: all fifteen minutes.
    seconds: Option<usize>,
}

impl Past {
    fn newest<T>(&self, mut samples: Vec<T>) -> Vec<T> {
        let surplus = samples.len().saturating_sub(self.seconds.unwrap_or(usize::MAX));
        samples.drain(..surplus);
        samples
    }
}

/// Returns the recent samples of a container, oldest first.
#[utoipa::path(get, path = "/containers/{id}/stats/history", tag = "stats", params(("id" = String, Path), Past), responses((status = 200, body = History)))]
async fn history(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(past): Query<Past>,
) -> Answer<Json<History>> {
    let id = front.engine.find(&id)?;
    let host_memory = front.engine.host_stats().memory_total_bytes;
    let points = past.newest(front.engine.history(&id)?);
    let samples = points.iter().map(|p| point(id.as_str(), p, host_memory)).collect();
    Ok(Json(History { samples }))
}

/// Streams one sample per second as NDJSON until the container is removed.
///
/// Samples are sent only while the container runs.
#[utoipa::path(get, path = "/containers/{id}/stats/follow", tag = "stats", params(("id" = String, Path)), responses((status = 200, body = Stats, content_type = "application/x-ndjson")))]
async fn follow(
    State(front): State<Front>,
    Path(id): Path<String>,
) -> Answer<([(HeaderName, HeaderValue); 1], axum::body::Body)> {
    let id = front.engine.find(&id)?;
    let mut rounds = front.engine.stats_rounds();
    let engine = front.engine.clone();
    Ok(stream::lines(&front, move |sender| async move {
        while rounds.changed().await.is_ok() && engine.inspect(&id).is_ok() {
            let round = rounds.borrow_and_update().clone();
            let own = round.containers.iter().filter(|stats| stats.container == id);
            sender
                .objects(own.map(|stats| shown(stats, round.host.memory_total_bytes)))
                .await?;
        }
        Ok(())
    }))
}

/// Returns the latest sample of the host.
#[utoipa::path(get, path = "/system/stats", tag = "stats", responses((status = 200, body = HostStats)))]
async fn of_host(State(front): State<Front>) -> Json<HostStats> {
    Json(shown_host(&front.engine.host_stats()))
}

/// Returns the recent samples of the host, oldest first.
#[utoipa::path(get, path = "/system/stats/history", tag = "stats", params(Past), responses((status = 200, body = HostHistory)))]
async fn host_history(State(front): State<Front>, Query(past): Query<Past>) -> Json<HostHistory> {
    let samples = past.newest(front.engine.host_history());
    Json(HostHistory {
        samples: samples.iter().map(shown_host).collect(),
    })
}
