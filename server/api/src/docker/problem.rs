//! Errors as `dockerd` answers them: a status and `{"message": …}`.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::{EngineError, Kind};
use model::container::Refusal;
use serde_json::json;

const MAX_TEXT_BYTES: usize = 64 << 10;

/// An answer that tells what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// A known field that is neither honoured nor ignored.
    pub(super) fn unsupported(field: &str) -> Self {
        Self::invalid(format!("{field} is not supported by this engine"))
    }

    pub(super) fn not_there(method: &Method, path: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("{method} {path} is not part of this engine's API"),
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED {
            tracing::warn!(message = self.message, "a request failed");
        }
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}

/// What the framework refuses by itself, such as a body that is too long, it says as plain
/// text; clients read a message.
pub(super) async fn rejection_as_json(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_text {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MAX_TEXT_BYTES).await.unwrap_or_default();
    Failure::new(head.status, String::from_utf8_lossy(&text)).into_response()
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let status = match error.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Unreachable | Kind::Cancelled | Kind::TimedOut | Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, words(&error))
    }
}

/// The sentences that clients and scripts look for; the engine's own for the rest.
pub(super) fn words(error: &EngineError) -> String {
    match error {
        EngineError::NotFound { what, name } => match *what {
            "container" => format!("No such container: {name}"),
            "image" => format!("No such image: {name}"),
            "exec" => format!("No such exec instance: {name}"),
            "volume" => format!("get {name}: no such volume"),
            _ => error.to_string(),
        },
        EngineError::Ambiguous { what, prefix, .. } => {
            format!("multiple IDs found with provided prefix: {prefix} ({what})")
        }
        EngineError::ImageMissing(name) => format!("No such image: {name}"),
        EngineError::Refused { name, refusal } => match refusal {
            Refusal::Paused => format!("container {name} is paused, unpause the container first"),
            Refusal::NotRunning => format!("container {name} is not running"),
            Refusal::Running => format!(
                "cannot remove container \"/{name}\": container is running: stop the container before removing or force remove"
            ),
            Refusal::NotPaused => format!("Container {name} is not paused"),
        },
        // Not a word of the program, which was not looked for.
        EngineError::ExecFailed {
            code: 127,
            step,
            reason,
        } if step == "cwd" => ended_with(reason, "no such file or directory"),
        EngineError::StartFailed { code, reason, .. } | EngineError::ExecFailed { code, reason, .. } => {
            with_known_words(*code, reason)
        }
        _ => error.to_string(),
    }
}

/// Clients derive the exit status of `docker run` from these words, and scripts
/// that the next port is to be tried.
fn with_known_words(code: i32, reason: &str) -> String {
    let known = match code {
        127 => "executable file not found in $PATH",
        126 => "permission denied",
        _ if reason.contains("of the host is in use by") => "port is already allocated",
        _ => return reason.to_owned(),
    };
    ended_with(reason, known)
}

fn ended_with(reason: &str, known: &str) -> String {
    if reason.contains(known) {
        reason.to_owned()
    } else {
        format!("{reason}: {known}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_with_a_message() {
        let refused = (StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response();
        let answer = rejection_as_json(refused).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let text = axum::body::to_bytes(answer.into_body(), MAX_TEXT_BYTES).await;
        assert_eq!(text.expect("is whole"), r#"{"message":"length limit exceeded"}"#);
        // A log is text as well, and stays as it is.
        let log = rejection_as_json("a line\n".into_response()).await;
        assert_eq!(log.status(), StatusCode::OK);
        assert_ne!(log.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn a_missing_container_is_worded_as_scripts_know_it() {
        let failure = Failure::from(EngineError::NotFound {
            what: "container",
            name: "web".to_owned(),
        });
        assert_eq!(failure, Failure::not_found("No such container: web"));
    }

    #[test]
    fn a_missing_command_says_so_in_the_known_words() {
        let failure = Failure::from(EngineError::StartFailed {
            name: "web".to_owned(),
            code: 127,
            reason: "`nginx`: No such file or directory".to_owned(),
        });
        assert!(failure.message.contains("executable file not found"));
        assert_eq!(failure.status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_missing_directory_is_no_missing_command() {
        let failure = Failure::from(EngineError::ExecFailed {
            code: 127,
            step: "cwd".to_owned(),
            reason: "cannot change to directory `/nosuch`: No such file or directory (os error 2)".to_owned(),
        });
        assert!(!failure.message.contains("executable"), "{}", failure.message);
        // Of this the command line makes the exit status 127.
        assert!(
            failure.message.ends_with("no such file or directory"),
            "{}",
            failure.message
        );
    }
}
