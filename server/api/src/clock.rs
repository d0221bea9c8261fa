use model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The present. Everything below is given it.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
