//! Lists.

use serde::{Deserialize, Serialize};

/// A part of a list, in the order asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct List<T> {
    pub items: Vec<T>,
    /// The cursor of the next part; `null` at the end.
    pub next: Option<String>,
    /// The number of the last event this list already knows of.
    pub seq: u64,
}
