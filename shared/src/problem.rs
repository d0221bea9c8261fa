//! What went wrong, as RFC 9457 has it.

use serde::{Deserialize, Serialize};

/// An error answer, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    pub status: u16,
    /// A short name of the kind of problem: the HTTP status in words.
    pub title: String,
    /// Stable, for programs: `not_found`, `conflict`, `invalid`, `unauthorized` …
    pub code: String,
    /// For people: what was tried, on what, why it failed.
    pub detail: String,
    /// What to do next, when there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The mistakes in single fields of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// Repeated in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A mistake in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mistake {
    /// The field's path in the request: `name`, `ports[0]`, `limits.memory_bytes`.
    pub field: String,
    pub message: String,
}

/// The answer of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mistakes {
    pub mistakes: Vec<Mistake>,
    /// True of the host, and worth knowing: the image will be pulled, memory is short.
    #[serde(default)]
    pub warnings: Vec<String>,
}
