//! Errors and warnings, for people and for the engine that called.

use super::arguments::Global;
use serde_json::json;
use std::fs::File;
use std::io::Write as _;

pub(super) fn error(global: &Global, error: &anyhow::Error) {
    say(global, "error", &format!("{error:#}"));
}

pub(super) fn warning(global: &Global, message: &str) {
    say(global, "warning", message);
}

fn say(global: &Global, level: &str, message: &str) {
    if let Some(path) = &global.log
        && let Ok(mut log) = File::options().create(true).append(true).open(path)
    {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = now.ok().and_then(|since| i64::try_from(since.as_nanos()).ok());
        let time = model::Timestamp::from_unix_nanos(nanos.unwrap_or(0)).to_string();
        let line = if global.log_json {
            json!({"level": level, "msg": message, "time": time}).to_string()
        } else {
            format!("time=\"{time}\" level={level} msg={message:?}")
        };
        let _ = writeln!(log, "{line}");
    }
    eprintln!("gantry-runtime: {message}");
}
