//! The two small files a shim leaves: who it is, and how the container ended.
//! This crate owns their form; writing them durably is the shim's work.

use crate::{ExitStatus, Identity};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
#[error("`{file}` does not hold the expected record: {source}")]
pub struct RecordError {
    file: &'static str,
    source: serde_json::Error,
}

/// `shim.json`: where a returning server finds the shim and its container. Pids
/// mean something only in the same boot and with the same start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimRecord {
    pub protocol: u32,
    pub run: u64,
    pub pid: i32,
    pub start_ticks: u64,
    pub init_pid: i32,
    pub init_start_ticks: u64,
    /// /proc/sys/kernel/random/boot_id, random(4).
    pub boot_id: String,
}

impl ShimRecord {
    pub const FILE: &'static str = "shim.json";

    pub fn shim(&self) -> Identity {
        Identity {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }

    pub fn init(&self) -> Identity {
        Identity {
            pid: self.init_pid,
            start_ticks: self.init_start_ticks,
        }
    }

    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        from_json(json, Self::FILE)
    }
}

/// `exit.json`: how one run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    pub run: u64,
    #[serde(flatten)]
    pub status: ExitStatus,
    /// Nanoseconds since 1970; `None` when the command never began.
    #[serde(default)]
    pub started_at_ns: Option<i64>,
    pub at_ns: i64,
    /// The kernel killed a process of the container for want of memory during this run.
    #[serde(default)]
    pub oom_killed: bool,
    /// Why the command could not be started; the status then holds 126, 127 or 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl ExitRecord {
    pub const FILE: &'static str = "exit.json";

    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        from_json(json, Self::FILE)
    }
}

fn to_json<T: Serialize>(record: &T) -> Vec<u8> {
    let mut json = serde_json::to_vec(record).expect("numbers and strings are always JSON");
    json.push(b'\n');
    json
}

fn from_json<T: DeserializeOwned>(json: &[u8], file: &'static str) -> Result<T, RecordError> {
    serde_json::from_slice(json).map_err(|source| RecordError { file, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_record_is_plain_json() {
        let record = ExitRecord {
            run: 2,
            status: ExitStatus::Code(3),
            started_at_ns: Some(10),
            at_ns: 20,
            oom_killed: false,
            failure: None,
        };
        let json = record.to_json();
        assert_eq!(
            String::from_utf8_lossy(&json).trim(),
            r#"{"run":2,"code":3,"started_at_ns":10,"at_ns":20,"oom_killed":false}"#
        );
        assert_eq!(ExitRecord::from_json(&json).unwrap(), record);
        assert!(ExitRecord::from_json(&json[..10]).is_err());
    }
}
