//! Moments and durations. Moments are milliseconds since 1970, as the browser counts them.

use js_sys::Date;
use wasm_bindgen::JsValue;

/// Reads an RFC 3339 time of the API.
pub fn parse(text: &str) -> Option<f64> {
    let ms = Date::parse(text);
    (!ms.is_nan()).then_some(ms)
}

pub fn now() -> f64 {
    Date::now()
}

fn date(ms: f64) -> Date {
    Date::new(&JsValue::from_f64(ms))
}

fn two(number: u32) -> String {
    let mut shown = number.to_string();
    if shown.len() < 2 {
        shown.insert(0, '0');
    }
    shown
}

/// `16:02:11`, local.
pub fn clock(ms: f64) -> String {
    let date = date(ms);
    [two(date.get_hours()), two(date.get_minutes()), two(date.get_seconds())].join(":")
}

/// `16:02:11.042`, local.
pub fn clock_ms(ms: f64) -> String {
    let millis = date(ms).get_milliseconds();
    let mut fraction = millis.to_string();
    while fraction.len() < 3 {
        fraction.insert(0, '0');
    }
    clock(ms) + "." + &fraction
}

/// `2026-11-23`, local.
pub fn day(ms: f64) -> String {
    let date = date(ms);
    date.get_full_year().to_string() + "-" + &two(date.get_month() + 1) + "-" + &two(date.get_date())
}

/// `2026-11-23 16:02:11`, local.
pub fn local(ms: f64) -> String {
    day(ms) + " " + &clock(ms)
}

/// `2026-11-23T15:02:11.042Z`: what tooltips show.
pub fn utc(ms: f64) -> String {
    date(ms).to_iso_string().into()
}

/// `4 s`, `12 min`, `3 h 5 min`, `8 d`.
pub fn duration(seconds: f64) -> String {
    let s = super::number::whole(seconds);
    match s {
        0..60 => s.to_string() + " s",
        60..3_600 => (s / 60).to_string() + " min",
        3_600..86_400 => {
            let minutes = s % 3_600 / 60;
            let hours = (s / 3_600).to_string() + " h";
            if minutes == 0 || s >= 36_000 {
                hours
            } else {
                hours + " " + &minutes.to_string() + " min"
            }
        }
        _ => (s / 86_400).to_string() + " d",
    }
}

/// `just now`, `12 min ago`.
pub fn ago(ms: f64, now: f64) -> String {
    let seconds = (now - ms) / 1000.0;
    if seconds < 2.0 {
        "just now".to_owned()
    } else {
        duration(seconds) + " ago"
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_keep_two_units_where_they_matter() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (59.4, "59 s"),
            (61.0, "1 min"),
            (3_600.0, "1 h"),
            (11_100.0, "3 h 5 min"),
            (40_000.0, "11 h"),
            (700_000.0, "8 d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
