//! Lists.

use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct List<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; `null` on the last page.
    pub next: Option<String>,
    /// Number of the last event that this list includes.
    pub seq: u64,
}
