//! How a container's log is kept.

use super::super::problem::Failure;
use model::container::spec::{LogMode, LogOptions};
use std::collections::HashMap;

/// The drivers that keep a log on this host all mean the engine's own.
pub(super) fn log(driver: &str, options: HashMap<String, String>) -> Result<LogOptions, Failure> {
    if !matches!(driver, "" | "json-file" | "local") {
        return Err(Failure::invalid(format!(
            "logger: no log driver named '{driver}' is registered"
        )));
    }
    let mut log = LogOptions::default();
    let (mut max_size, mut max_file, mut non_blocking, mut buffer_bytes) = (None, None, false, 1 << 20);
    let size = |name: &str, value: &str| {
        model::size::parse(value).map_err(|error| Failure::invalid(format!("log option {name}: {error}")))
    };
    for (name, value) in options {
        match name.as_str() {
            "max-size" if value == "-1" => {}
            "max-size" => max_size = Some(size(&name, &value)?),
            "max-file" => {
                let count: u32 = value
                    .parse()
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or_else(|| Failure::invalid(format!("max-file cannot be less than 1: {value}")))?;
                max_file = Some(count);
            }
            "mode" => {
                non_blocking = match value.as_str() {
                    "" | "blocking" => false,
                    "non-blocking" => true,
                    _ => return Err(Failure::invalid(format!("logger: logging mode not supported: {value}"))),
                };
            }
            "max-buffer-size" => buffer_bytes = size(&name, &value)?,
            // How rotated segments lie on the disk is nobody's business but ours.
            "compress" => {}
            _ => {
                return Err(Failure::invalid(format!(
                    "unknown log opt '{name}' for json-file log driver"
                )));
            }
        }
    }
    if let Some(bytes) = max_size {
        log.segment_bytes = bytes;
        log.segments = max_file.unwrap_or(1);
    } else if let Some(count) = max_file {
        log.segments = count;
    }
    if non_blocking {
        log.mode = LogMode::NonBlocking { buffer_bytes };
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<LogOptions, Failure> {
        let options = options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        log("json-file", options.collect())
    }

    #[test]
    fn sizes_and_counts_are_those_of_segments() {
        let two = read(&[("max-size", "2m"), ("max-file", "3")]).expect("valid");
        assert_eq!((two.segment_bytes, two.segments), (2 << 20, 3));
        let waits = read(&[("mode", "non-blocking"), ("max-buffer-size", "4k")]).expect("valid");
        assert_eq!(waits.mode, LogMode::NonBlocking { buffer_bytes: 4096 });
        assert!(read(&[("tag", "x")]).is_err());
        assert!(log("syslog", HashMap::new()).is_err());
    }
}
