//! `filters={"label":["a=b"],"status":{"running":true}}`: the values of one name
//! are alternatives, the names all must hold.

use super::problem::Failure;
use super::query::{Query, parse_time};
use model::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Refuses a filter whose name is not in `known`: ignoring it would show, or remove, too much.
    pub(super) fn read(query: &Query, known: &[&str]) -> Result<Self, Failure> {
        let Some(text) = query.get("filters") else {
            return Ok(Self::default());
        };
        let invalid = || Failure::invalid(format!("invalid filter '{text}'"));
        let Ok(Value::Object(names)) = serde_json::from_str(text) else {
            return Err(invalid());
        };
        let mut filters = BTreeMap::new();
        for (name, values) in names {
            if !known.contains(&name.as_str()) {
                return Err(Failure::invalid(format!("invalid filter '{name}'")));
            }
            let values = match values {
                Value::Array(values) => values
                    .into_iter()
                    .map(|value| value.as_str().map(str::to_owned).ok_or_else(invalid))
                    .collect::<Result<Vec<_>, _>>()?,
                Value::Object(values) => values
                    .into_iter()
                    .filter(|(_, on)| on.as_bool() != Some(false))
                    .map(|(value, _)| value)
                    .collect(),
                _ => return Err(invalid()),
            };
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether some value passes, or none was asked for.
    pub(super) fn allows(&self, name: &str, mut passes: impl FnMut(&str) -> bool) -> bool {
        let values = self.values(name);
        values.is_empty() || values.iter().any(|value| passes(value))
    }

    /// `label=NAME` and `label=NAME=VALUE`: all must hold; `label!` none.
    pub(super) fn allows_labels(&self, labels: &[(String, String)]) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.iter().any(|(n, v)| n == name && v == value),
            None => labels.iter().any(|(n, _)| n == wanted),
        };
        self.values("label").iter().all(has) && !self.values("label!").iter().any(has)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.values(name) {
            [] => Ok(None),
            [value, ..] => match value.as_str() {
                "1" | "true" | "True" | "TRUE" | "t" | "T" => Ok(Some(true)),
                "0" | "false" | "False" | "FALSE" | "f" | "F" => Ok(Some(false)),
                _ => Err(Failure::invalid(format!("invalid filter '{name}={value}'"))),
            },
        }
    }

    /// `until`, in older words `unused-for`: what is older than a moment, or than a while
    /// (`24h`) before `now`.
    pub(super) fn until(&self, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let values = match self.values("until") {
            [] => self.values("unused-for"),
            values => values,
        };
        let [value] = values else {
            return if values.is_empty() {
                Ok(None)
            } else {
                Err(Failure::invalid("more than one until filter specified"))
            };
        };
        if let Some(time) = parse_time(value) {
            return Ok(Some(time));
        }
        let ago = parse_duration(value).ok_or_else(|| Failure::invalid(format!("invalid filter 'until={value}'")))?;
        Ok(Some(Timestamp::from_unix_nanos(
            now.as_unix_nanos().saturating_sub(ago),
        )))
    }
}

/// Go's durations: `1h30m`, `1.5h`, in nanoseconds.
fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let nanos = match &rest[..unit] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number * nanos;
        rest = &rest[unit..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest number"
    )]
    Some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Filters, Failure> {
        use axum::extract::FromRequestParts as _;
        let uri = format!("/x?filters={}", json.replace('"', "%22"));
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("valid").into_parts();
        let query = futures_util::FutureExt::now_or_never(Query::from_request_parts(&mut parts, &()))
            .expect("ready")
            .expect("never fails");
        Filters::read(&query, &["label", "status", "until"])
    }

    #[test]
    fn both_forms_of_filters_are_read() {
        for json in [r#"{"status":["running"]}"#, r#"{"status":{"running":true,"x":false}}"#] {
            assert_eq!(read(json).expect("valid").values("status"), ["running"]);
        }
        assert!(read(r#"{"colour":["red"]}"#).is_err(), "an unknown name is refused");
        assert!(read("[]").is_err());
    }

    #[test]
    fn labels_must_all_hold() {
        let labels = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())];
        let allows = |json| read(json).expect("valid").allows_labels(&labels);
        assert!(allows(r#"{"label":["a=1","b"]}"#));
        assert!(!allows(r#"{"label":["a=1","c"]}"#));
        assert!(!allows(r#"{"label":["a=2"]}"#));
    }

    #[test]
    fn until_may_be_a_while_ago() {
        let now = Timestamp::from_unix_nanos(100_000_000_000);
        let until = read(r#"{"until":["1m30s"]}"#)
            .expect("valid")
            .until(now)
            .expect("valid");
        assert_eq!(until, Some(Timestamp::from_unix_nanos(10_000_000_000)));
        assert!(read(r#"{"until":["x"]}"#).expect("valid").until(now).is_err());
    }
}
