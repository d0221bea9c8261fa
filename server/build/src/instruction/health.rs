//! `HEALTHCHECK [--interval=…] CMD …` and `HEALTHCHECK NONE`.

use super::flags::Flags;
use super::{Command, Said, words};
use model::container::health::{HealthCheck, Probe};
use std::time::Duration;

const FLAGS: [&str; 5] = ["interval", "timeout", "start-period", "start-interval", "retries"];
/// Shorter ones are refused by Docker, too.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn read(mut flags: Flags, rest: &str) -> Result<HealthCheck, Said> {
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim_start();
    if kind.eq_ignore_ascii_case("NONE") {
        if !rest.is_empty() {
            return Err(Said(format!("nothing follows NONE, and so no `{rest}`")));
        }
        flags.end(&[])?;
        return Ok(none());
    }
    if !kind.eq_ignore_ascii_case("CMD") {
        return Err(Said(format!("`{kind}` is neither NONE nor CMD")));
    }
    let test = match words::command(rest)? {
        Command::Shell(line) if line.is_empty() => return Err(Said("CMD needs a command".to_owned())),
        Command::Exec(words) if words.is_empty() => return Err(Said("CMD needs a command".to_owned())),
        Command::Shell(line) => Probe::Shell(line),
        Command::Exec(words) => Probe::Command(words),
    };
    let mut duration = |name: &str| flags.value(name)?.map(|text| read_duration(name, &text)).transpose();
    let health = HealthCheck {
        test,
        interval: duration("interval")?.flatten(),
        timeout: duration("timeout")?.flatten(),
        start_period: duration("start-period")?.flatten(),
        start_interval: duration("start-interval")?.flatten(),
        retries: match flags.value("retries")? {
            None => None,
            Some(text) => match text.parse::<u32>() {
                Ok(0) => None,
                Ok(count) => Some(count),
                Err(_) => return Err(Said(format!("`--retries` is a number of tries, not `{text}`"))),
            },
        },
    };
    flags.end(&FLAGS)?;
    Ok(health)
}

fn none() -> HealthCheck {
    HealthCheck {
        test: Probe::None,
        interval: None,
        timeout: None,
        retries: None,
        start_period: None,
        start_interval: None,
    }
}

/// Zero takes the default.
fn read_duration(name: &str, text: &str) -> Result<Option<Duration>, Said> {
    let wrong = || Said(format!("`--{name}` is a time such as `30s` or `1m30s`, not `{text}`"));
    let duration = parse_duration(text).ok_or_else(wrong)?;
    if duration.is_zero() {
        return Ok(None);
    }
    if duration < SHORTEST {
        return Err(Said(format!("`--{name}` is at least 1ms")));
    }
    Ok(Some(duration))
}

/// As Go writes them: numbers with a unit each.
fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        nanos += number
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    if text.is_empty() {
        return None;
    }
    Duration::try_from_secs_f64(nanos / 1e9).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("30"), None);
        assert_eq!(parse_duration("soon"), None);
        assert_eq!(parse_duration(""), None);
    }
}
