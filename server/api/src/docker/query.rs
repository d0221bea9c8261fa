//! What stands behind the question mark, and bodies, read as leniently as `dockerd` reads them.

use super::problem::Failure;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::convert::Infallible;

/// The query's values by name; of a name given twice, the first, and all by [`Query::all`].
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, value)| n == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Everything but nothing, `0`, `no`, `false` and `none` is true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    pub(super) fn flag_or(&self, name: &str, otherwise: bool) -> bool {
        match self.get(name).map(|value| value.trim().to_ascii_lowercase()) {
            None => otherwise,
            Some(value) => !matches!(value.as_str(), "0" | "no" | "false" | "none"),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        self.get(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| Failure::invalid(format!("{name}: `{value}` is not a number")))
            })
            .transpose()
    }

    /// Seconds since 1970 with an optional fraction, or RFC 3339; 0 is none.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        match self.get(name) {
            None | Some("0") => Ok(None),
            Some(text) => parse_time(text)
                .map(Some)
                .ok_or_else(|| Failure::invalid(format!("{name}: `{text}` is not a time"))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parse(parts.uri.query().unwrap_or_default()))
    }
}

fn parse(query: &str) -> Query {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Query(
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect(),
    )
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = |bytes: &[u8]| u8::from_str_radix(std::str::from_utf8(bytes.get(..2)?).ok()?, 16).ok();
        match (byte, hex(rest)) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = &rest[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As above, for a filter's value too.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        return Some(time);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
        .map(Timestamp::from_unix_nanos)
}

/// A JSON body; an empty one is `{}`.
pub(super) fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    let bytes: &[u8] = if body.iter().all(u8::is_ascii_whitespace) {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(bytes).map_err(|error| Failure::invalid(format!("the request's JSON is wrong: {error}")))
}

/// Labels as the engine has them, sorted, so that answers do not change from one to the next.
pub(super) fn pairs(map: Option<HashMap<String, String>>) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = map.unwrap_or_default().into_iter().collect();
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_leniently() {
        let query = parse("all=1&size=False&filters=%7B%22a%22%3A1%7D&name=x+y&tail=&t=1&t=2&bad=%z");
        assert!(query.flag("all") && !query.flag("size") && !query.flag("absent"));
        assert_eq!(query.get("filters"), Some(r#"{"a":1}"#));
        assert_eq!(query.get("name"), Some("x y"));
        assert_eq!(query.get("tail"), None);
        assert_eq!(query.all("t").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("bad"), Some("%z"));
        assert!(query.number::<u16>("name").is_err());
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let nanos = |text| parse_time(text).map(Timestamp::as_unix_nanos);
        assert_eq!(nanos("12"), Some(12_000_000_000));
        assert_eq!(nanos("12.5"), Some(12_500_000_000));
        assert_eq!(nanos("12.000000007"), Some(12_000_000_007));
        assert_eq!(nanos("1970-01-01T00:00:01Z"), Some(1_000_000_000));
        assert_eq!(nanos("yesterday"), None);
    }
}
