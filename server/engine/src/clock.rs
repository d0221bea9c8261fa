//! The one place that reads the wall clock.

use model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now. A host set to a time before 1970 counts as 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
