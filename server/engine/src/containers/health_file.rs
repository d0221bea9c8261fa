//! `health.json`: what the probes of a run said, for a server that returns. Written
//! without waiting for the disk: after a crash of the host the run is over.

use crate::containers::view::{Health, HealthStatus, ProbeResult};
use crate::layout::{read_if_there, write_whole};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Form {
    run: u64,
    status: StatusForm,
    failing_streak: u32,
    probes: Vec<ProbeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusForm {
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Serialize, Deserialize)]
struct ProbeForm {
    started_ns: i64,
    ended_ns: i64,
    exit_code: i32,
    /// Text as a rule; what is none is shown with replacements anyway.
    output: String,
}

pub(super) fn write(path: &Path, run: u64, health: &Health) -> io::Result<()> {
    let form = Form {
        run,
        status: match health.status {
            HealthStatus::Starting => StatusForm::Starting,
            HealthStatus::Healthy => StatusForm::Healthy,
            HealthStatus::Unhealthy => StatusForm::Unhealthy,
        },
        failing_streak: health.failing_streak,
        probes: health
            .probes
            .iter()
            .map(|probe| ProbeForm {
                started_ns: probe.started.as_unix_nanos(),
                ended_ns: probe.ended.as_unix_nanos(),
                exit_code: probe.exit_code,
                output: String::from_utf8_lossy(&probe.output).into_owned(),
            })
            .collect(),
    };
    write_whole(path, &serde_json::to_vec(&form)?)
}

/// `None` when there is nothing of this run.
pub(super) fn read(path: &Path, run: u64) -> io::Result<Option<Health>> {
    let Some(bytes) = read_if_there(path)? else {
        return Ok(None);
    };
    let form: Form = serde_json::from_slice(&bytes)?;
    Ok((form.run == run).then(|| Health {
        status: match form.status {
            StatusForm::Starting => HealthStatus::Starting,
            StatusForm::Healthy => HealthStatus::Healthy,
            StatusForm::Unhealthy => HealthStatus::Unhealthy,
        },
        failing_streak: form.failing_streak,
        probes: form
            .probes
            .into_iter()
            .map(|probe| ProbeResult {
                started: Timestamp::from_unix_nanos(probe.started_ns),
                ended: Timestamp::from_unix_nanos(probe.ended_ns),
                exit_code: probe.exit_code,
                output: probe.output.into_bytes(),
            })
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_back_for_its_own_run_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("health.json");
        let health = Health {
            status: HealthStatus::Unhealthy,
            failing_streak: 4,
            probes: vec![ProbeResult {
                started: Timestamp::from_unix_nanos(1),
                ended: Timestamp::from_unix_nanos(2),
                exit_code: -1,
                output: b"no".to_vec(),
            }],
        };
        assert_eq!(read(&path, 3).unwrap(), None);
        write(&path, 3, &health).unwrap();
        assert_eq!(read(&path, 3).unwrap(), Some(health));
        assert_eq!(read(&path, 4).unwrap(), None);
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path, 3).is_err());
    }
}
