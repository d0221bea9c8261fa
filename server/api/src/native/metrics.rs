//! `/metrics`, for Prometheus: what containers and the host use, read when asked.

use super::front::Front;
use super::problem::{Answer, Failure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

const TEXT: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    id: String,
    name: String,
    image: String,
}

type Real = Gauge<f64, AtomicU64>;
type Whole = Gauge<u64, AtomicU64>;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/metrics", get(metrics))
}

/// Returns metrics of the containers and the host in the OpenMetrics format.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, description = "The current metrics.", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(front): State<Front>) -> Answer<([(HeaderName, HeaderValue); 1], String)> {
    let registry = registry(&front);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            format!("the metrics could not be written: {error}"),
        )
    })?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

fn registry(front: &Front) -> Registry {
    let round = front.engine.stats_rounds().borrow().clone();
    let mut registry = Registry::with_prefix("gantry");
    let host = &round.host;
    for (name, help, value) in [
        ("containers_running", "Containers that run", u64::from(host.running)),
        (
            "containers_paused",
            "Containers that are paused",
            u64::from(host.paused),
        ),
        ("containers", "Containers in any state", u64::from(host.containers)),
        (
            "host_memory_available_bytes",
            "Memory programs could still get",
            host.memory_available_bytes,
        ),
        ("host_disk_free_bytes", "Room where the data lies", host.disk_free_bytes),
    ] {
        let gauge = Whole::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    registry.register("events", "Events so far", ConstCounter::new(front.engine.last_seq()));
    let cpu = Family::<Labels, Real>::default();
    let memory = Family::<Labels, Whole>::default();
    let limit = Family::<Labels, Whole>::default();
    let pids = Family::<Labels, Whole>::default();
    let received = Family::<Labels, Whole>::default();
    let sent = Family::<Labels, Whole>::default();
    let killed = Family::<Labels, Whole>::default();
    let refused = Family::<Labels, Whole>::default();
    for stats in &round.containers {
        let Ok(container) = front.engine.inspect(&stats.container) else {
            continue;
        };
        let labels = Labels {
            id: container.id.short().to_owned(),
            name: container.spec.name.as_str().to_owned(),
            image: container.spec.image.reference.short(),
        };
        cpu.get_or_create(&labels).set(stats.cpu.total_ns as f64 / 1e9);
        memory.get_or_create(&labels).set(stats.memory.used_bytes);
        limit.get_or_create(&labels).set(stats.memory.limit_bytes);
        pids.get_or_create(&labels).set(stats.pids);
        killed.get_or_create(&labels).set(stats.oom_kills);
        refused.get_or_create(&labels).set(stats.forks_refused);
        if let Some(network) = &stats.network {
            received.get_or_create(&labels).set(network.received_bytes);
            sent.get_or_create(&labels).set(network.sent_bytes);
        }
    }
    registry.register_with_unit("container_cpu_time", "Processor time of this run", Unit::Seconds, cpu);
    for (name, help, family) in [
        ("container_memory", "Memory without cache that goes at once", memory),
        ("container_memory_limit", "The limit, or the host's memory", limit),
        ("container_network_received", "Received in this run", received),
        ("container_network_sent", "Sent in this run", sent),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, family);
    }
    registry.register("container_processes", "Processes and threads", pids);
    registry.register("container_oom_kills", "Processes killed for want of memory", killed);
    registry.register(
        "container_forks_refused",
        "Processes refused by the limit on them",
        refused,
    );
    registry
}
