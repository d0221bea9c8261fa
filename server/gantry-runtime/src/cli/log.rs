//! Errors, warnings and debug messages, for people and for the engine that called.

use super::arguments::Global;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Refuses a log that cannot be written, before anything is done that it should record.
pub(super) fn check(global: &Global) -> Result<()> {
    match &global.log {
        Some(path) => open(path)
            .map(drop)
            .with_context(|| format!("cannot open the log `{}`", path.display())),
        None => Ok(()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

pub(super) fn error(global: &Global, error: &anyhow::Error) {
    let message = text(error);
    record(global, "error", &message);
    eprintln!("error: {message}");
}

pub(super) fn warning(global: &Global, message: &str) {
    record(global, "warning", message);
    eprintln!("warning: {message}");
}

/// Written only with `--debug`: to the log, or to the standard error without one.
pub(super) fn debug(global: &Global, message: &str) {
    if !global.debug {
        return;
    }
    if global.log.is_some() {
        record(global, "debug", message);
    } else {
        eprintln!("{}", line(global, "debug", message));
    }
}

/// An error and its causes, each once: many errors have their cause in their own text.
pub(super) fn text(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |text, cause| {
            if text.is_empty() {
                cause
            } else if text.contains(&cause) {
                text
            } else {
                format!("{text}: {cause}")
            }
        })
}

fn record(global: &Global, level: &str, message: &str) {
    // It was writable when the command began; a disk that is full now is no reason to fail.
    if let Some(Ok(mut log)) = global.log.as_deref().map(open) {
        let _ = writeln!(log, "{}", line(global, level, message));
    }
}

fn line(global: &Global, level: &str, message: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.ok().and_then(|since| i64::try_from(since.as_nanos()).ok());
    let time = model::Timestamp::from_unix_nanos(nanos.unwrap_or(0)).to_string();
    if global.log_json {
        json!({"level": level, "msg": message, "time": time}).to_string()
    } else {
        format!("time=\"{time}\" level={level} msg={message:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_an_error_names_itself_is_not_repeated() {
        let cause = || io::Error::from_raw_os_error(22);
        let middle = anyhow::Error::new(cause()).context(format!("cannot write `x`: {}", cause()));
        let error = middle.context("cannot create the container");
        assert_eq!(
            text(&error),
            "cannot create the container: cannot write `x`: Invalid argument (os error 22)"
        );
    }
}
