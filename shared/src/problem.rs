//! Problem documents (RFC 9457).

use serde::{Deserialize, Serialize};

/// An error response, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    pub status: u16,
    /// Reason phrase of the HTTP status.
    pub title: String,
    /// Stable machine-readable code: `not_found`, `conflict`, `invalid`, `unauthorized` …
    pub code: String,
    /// Human-readable explanation: the operation, the object and the cause.
    pub detail: String,
    /// Suggested next step, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Errors in fields of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// Request id, also in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// An error in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mistake {
    /// Path of the field in the request: `name`, `ports[0]`, `limits.memory_bytes`.
    pub field: String,
    pub message: String,
}

/// Result of a validation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Mistakes {
    pub mistakes: Vec<Mistake>,
    /// Warnings that do not prevent the operation: the image will be pulled, memory is low.
    #[serde(default)]
    pub warnings: Vec<String>,
}
