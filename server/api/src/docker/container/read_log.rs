//! How a container's log is kept.

use super::super::problem::Failure;
use super::log_details;
use model::container::spec::{LogDriver, LogMode, LogOptions};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// What the driver `local` does unless it is told otherwise.
const LOCAL: LogOptions = LogOptions {
    mode: LogMode::Blocking,
    segment_bytes: 20 << 20,
    segments: 5,
    compress: true,
    driver: None,
};
/// Of a buffer whose size nobody gave.
const BUFFER_BYTES: u64 = 1 << 20;
/// As good as without end.
const EVERY_SEGMENT: u32 = u32::MAX;

/// The drivers that keep a log on this host all mean the engine's own.
pub(super) fn log(driver: &str, options: HashMap<String, String>) -> Result<LogOptions, Failure> {
    let driver = if driver.is_empty() { "json-file" } else { driver };
    let mut log = match driver {
        "json-file" => LogOptions::default(),
        "local" => LOCAL,
        "none" => LogOptions {
            mode: LogMode::Off,
            ..LogOptions::default()
        },
        _ => {
            return Err(Failure::invalid(format!(
                "logger: no log driver named '{driver}' is registered"
            )));
        }
    };
    let mut given: Vec<(String, String)> = options.into_iter().collect();
    given.sort();
    // What is not kept is not kept in any way.
    if log.mode != LogMode::Off {
        apply(&mut log, driver, &given)?;
    }
    // The default is stored as absent, so that a copy made from inspect equals the original.
    if driver != "json-file" || !given.is_empty() {
        log.driver = Some(LogDriver {
            name: driver.to_owned(),
            options: given,
        });
    }
    Ok(log)
}

fn apply(log: &mut LogOptions, driver: &str, options: &[(String, String)]) -> Result<(), Failure> {
    let (mut max_size, mut max_file, mut non_blocking, mut buffer_bytes) = (None, None, false, None);
    let size = |name: &str, value: &str| {
        model::size::parse(value).map_err(|error| Failure::invalid(format!("log option {name}: {error}")))
    };
    for (name, value) in options {
        match name.as_str() {
            "max-size" if value == "-1" => log.segments = EVERY_SEGMENT,
            "max-size" => {
                let bytes = size(name, value)?;
                if bytes == 0 {
                    return Err(Failure::invalid("max-size must be a positive number"));
                }
                max_size = Some(bytes);
            }
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
            "max-buffer-size" => buffer_bytes = Some(size(name, value)?),
            "compress" => {
                log.compress = read_truth(value).ok_or_else(|| {
                    Failure::invalid(format!("log option compress: '{value}' is neither true nor false"))
                })?;
            }
            _ if driver == "json-file" && log_details::is_option(name) => log_details::check(name, value)?,
            _ => {
                return Err(Failure::invalid(format!(
                    "unknown log opt '{name}' for {driver} log driver"
                )));
            }
        }
    }
    if driver == "local" {
        log.segment_bytes = max_size.unwrap_or(log.segment_bytes);
        log.segments = max_file.unwrap_or(log.segments);
        // Of one file there is none that is not written to any more.
        log.compress &= log.segments > 1;
    } else {
        if let Some(bytes) = max_size {
            log.segment_bytes = bytes;
            log.segments = max_file.unwrap_or(1);
        } else if let Some(count) = max_file {
            log.segments = count;
        }
        if log.compress && (max_size.is_none() || log.segments < 2) {
            return Err(Failure::invalid(
                "compress cannot be true when max-file is less than 2 or max-size is not set",
            ));
        }
    }
    match (non_blocking, buffer_bytes) {
        (true, bytes) => {
            log.mode = LogMode::NonBlocking {
                buffer_bytes: bytes.unwrap_or(BUFFER_BYTES),
            };
        }
        (false, Some(_)) => {
            return Err(Failure::invalid(
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            ));
        }
        (false, None) => {}
    }
    Ok(())
}

/// As Go's `strconv.ParseBool` has it.
fn read_truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `LogConfig` as it was given; else as [`log`] would read the same log.
pub(super) fn show(log: &LogOptions) -> Value {
    if let Some(driver) = &log.driver {
        let options: Map<String, Value> = driver
            .options
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        return json!({ "Type": driver.name, "Config": options });
    }
    if log.mode == LogMode::Off {
        return json!({ "Type": "none", "Config": {} });
    }
    let mut options = Map::new();
    let usual = LogOptions::default();
    if (log.segment_bytes, log.segments) != (usual.segment_bytes, usual.segments) {
        let size = if log.segments == EVERY_SEGMENT {
            "-1".to_owned()
        } else {
            options.insert("max-file".to_owned(), log.segments.to_string().into());
            short_size(log.segment_bytes)
        };
        options.insert("max-size".to_owned(), size.into());
    }
    if log.compress {
        options.insert("compress".to_owned(), "true".into());
    }
    if let LogMode::NonBlocking { buffer_bytes } = log.mode {
        options.insert("mode".to_owned(), "non-blocking".into());
        if buffer_bytes != BUFFER_BYTES {
            options.insert("max-buffer-size".to_owned(), short_size(buffer_bytes).into());
        }
    }
    json!({ "Type": "json-file", "Config": options })
}

/// `10m`, as people write it; bytes where no unit fits.
fn short_size(bytes: u64) -> String {
    let units = [(30, "g"), (20, "m"), (10, "k")];
    let fitting = units
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    match fitting {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(driver: &str, options: &[(&str, &str)]) -> Result<LogOptions, Failure> {
        let options = options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        log(driver, options.collect())
    }

    #[test]
    fn sizes_and_counts_are_those_of_segments() {
        let two = read("json-file", &[("max-size", "2m"), ("max-file", "3")]).expect("valid");
        assert_eq!((two.segment_bytes, two.segments), (2 << 20, 3));
        let waits = read("", &[("mode", "non-blocking"), ("max-buffer-size", "4k")]).expect("valid");
        assert_eq!(waits.mode, LogMode::NonBlocking { buffer_bytes: 4096 });
    }

    #[test]
    fn local_logs_are_packed_unless_that_is_not_wanted() {
        let local = read("local", &[]).expect("valid");
        assert_eq!(LogOptions { driver: None, ..local }, LOCAL);
        assert!(!read("local", &[("compress", "false")]).expect("valid").compress);
        assert!(!read("local", &[("max-file", "1")]).expect("valid").compress);
        let packed = [("max-size", "1m"), ("max-file", "2"), ("compress", "true")];
        assert!(read("json-file", &packed).expect("valid").compress);
        assert!(read("json-file", &packed[..1]).is_ok());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (driver, options) in [
            ("json-file", &[("tags", "x")][..]),
            ("json-file", &[("tag", "{{.Nothing}}")]),
            ("json-file", &[("tag", "{{.Name")]),
            ("json-file", &[("labels-regex", "(")]),
            ("local", &[("labels", "a")]),
            ("json-file", &[("max-buffer-size", "1m")]),
            ("syslog", &[]),
            ("json-file", &[("compress", "true")]),
            ("json-file", &[("compress", "true"), ("max-size", "1m")]),
            (
                "json-file",
                &[("compress", "perhaps"), ("max-size", "1m"), ("max-file", "2")],
            ),
            ("json-file", &[("max-size", "0")]),
            ("json-file", &[("max-size", "much")]),
            ("local", &[("max-file", "0")]),
            ("local", &[("mode", "sideways")]),
        ] {
            assert!(read(driver, options).is_err(), "{driver} {options:?}");
        }
    }

    #[test]
    fn the_driver_and_its_options_are_shown_as_they_were_given() {
        for (driver, options) in [
            ("json-file", &[][..]),
            ("json-file", &[("max-size", "10m")]),
            ("json-file", &[("max-size", "10m"), ("max-file", "1")]),
            ("json-file", &[("max-size", "10000k"), ("mode", "blocking")]),
            ("json-file", &[("env", "A"), ("labels", "a,b"), ("tag", "{{.Name}}/x")]),
            ("local", &[]),
            ("local", &[("compress", "false")]),
            ("none", &[]),
        ] {
            let shown = show(&read(driver, options).expect("valid"));
            let options: Map<String, Value> = options
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.into()))
                .collect();
            assert_eq!(shown, json!({ "Type": driver, "Config": options }));
        }
    }

    #[test]
    fn a_log_that_was_asked_for_otherwise_is_shown_so_that_it_is_read_back_as_the_same() {
        for (driver, options) in [
            ("json-file", &[][..]),
            (
                "json-file",
                &[("max-size", "10m"), ("max-file", "3"), ("compress", "true")],
            ),
            (
                "json-file",
                &[
                    ("max-size", "1000"),
                    ("mode", "non-blocking"),
                    ("max-buffer-size", "5k"),
                ],
            ),
            ("json-file", &[("max-size", "-1")]),
            ("none", &[]),
            ("local", &[]),
        ] {
            let log = LogOptions {
                driver: None,
                ..read(driver, options).expect("valid")
            };
            let shown = show(&log);
            let options: HashMap<String, String> = serde_json::from_value(shown["Config"].clone()).expect("text");
            let driver = shown["Type"].as_str().expect("text");
            let again = super::log(driver, options).expect("valid");
            assert_eq!(LogOptions { driver: None, ..again }, log, "{shown}");
        }
    }
}
