//! Errors as RFC 9457 problem documents.

use access::AccessError;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::{EngineError, Kind};
use shared::problem::{Mistake, Problem};

/// Names the request in the answer and in the server's log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer that tells what went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) problem: Box<Problem>,
    retry_after_s: Option<u64>,
}

pub(super) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem {
                status: status.as_u16(),
                title: status.canonical_reason().unwrap_or_default().to_owned(),
                code: code.to_owned(),
                detail: detail.into(),
                hint: None,
                mistakes: Vec::new(),
                request_id: None,
            }),
            retry_after_s: None,
        }
    }

    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.problem.hint = Some(hint.to_owned());
        self
    }

    pub(super) fn not_found(what: &str, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what} `{name}`"),
        )
    }

    /// A mistake in one field of the request.
    pub(super) fn mistake(field: &str, message: impl Into<String>) -> Self {
        Self::mistakes(vec![Mistake {
            field: field.to_owned(),
            message: message.into(),
        }])
    }

    pub(super) fn mistakes(mistakes: Vec<Mistake>) -> Self {
        let words: Vec<String> = mistakes.iter().map(|m| format!("{}: {}", m.field, m.message)).collect();
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words.join("; "));
        failure.problem.mistakes = mistakes;
        failure
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs a signed-in session or a token",
        )
        .hint("Sign in, or send `Authorization: Bearer TOKEN`.")
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() && self.retry_after_s.is_none() {
            tracing::warn!(
                code = self.problem.code,
                detail = self.problem.detail,
                "a request failed"
            );
        }
        let mut response = (status, axum::Json(&*self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The outermost layer repeats the request's id in the document.
        response.extensions_mut().insert(Told(self.problem));
        response
    }
}

/// The document an answer holds, for the layer that adds the request's id.
#[derive(Debug, Clone)]
pub(super) struct Told(pub(super) Box<Problem>);

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let status = status_of(error.kind());
        let mut failure = Self::new(status, error.code(), error.to_string());
        failure.problem.mistakes = error
            .mistakes()
            .iter()
            .map(|mistake| Mistake {
                field: mistake.field.to_owned(),
                message: mistake.message.clone(),
            })
            .collect();
        failure.problem.hint = hint(&error).map(str::to_owned);
        failure
    }
}

/// Of an error of the engine.
pub(super) fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Conflict => StatusCode::CONFLICT,
        // Of the registry; 401 would sign the panel's user out.
        Kind::Unauthorized | Kind::Unreachable => StatusCode::BAD_GATEWAY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Kind::Cancelled => StatusCode::CONFLICT,
        Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn hint(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::ImageMissing(_) => "Pull the image first: POST /api/v1/images/pull.",
        EngineError::ExecFailed { step, .. } if step == "cwd" => {
            "Name a directory of the container, or leave the working directory out."
        }
        EngineError::StartFailed { code: 127, .. } | EngineError::ExecFailed { code: 127, .. } => {
            "Check that the command exists in the image and is in its PATH."
        }
        EngineError::StartFailed { code: 126, .. } | EngineError::ExecFailed { code: 126, .. } => {
            "Check that the command is a program and may be executed."
        }
        EngineError::Image {
            kind: Kind::Unauthorized,
            ..
        } => "Give the registry's username and password.",
        _ => return None,
    })
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let detail = error.to_string();
        match &error {
            AccessError::WrongCredentials => Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail),
            AccessError::TooManyAttempts(wait) => {
                let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail);
                failure.retry_after_s = Some(wait.as_secs().max(1));
                failure
            }
            AccessError::Busy => {
                let mut failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
                failure.retry_after_s = Some(1);
                failure
            }
            AccessError::PasswordLength | AccessError::WeakPassword(_) => Self::mistake("password", detail),
            AccessError::TokenLifetime => Self::mistake("days", detail),
            AccessError::UserName(_) => Self::mistake("username", detail),
            AccessError::UnknownRole(_) | AccessError::RoleAboveOwner { .. } => Self::mistake("role", detail),
            AccessError::UnknownUser(_) | AccessError::UnknownToken(_) | AccessError::UnknownSession(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", detail)
            }
            AccessError::AlreadySetUp | AccessError::LastAdmin(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", detail)
            }
            AccessError::UserTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", detail),
            AccessError::Hash(_) | AccessError::Store(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
            }
        }
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        let (code, status) = match &rejection {
            JsonRejection::JsonDataError(_) => ("invalid", StatusCode::UNPROCESSABLE_ENTITY),
            JsonRejection::JsonSyntaxError(_) => ("malformed_json", StatusCode::BAD_REQUEST),
            JsonRejection::MissingJsonContentType(_) => ("not_json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            other => ("unreadable", other.status()),
        };
        Self::new(status, code, rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_query", rejection.body_text())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_path", rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_mistakes_reach_their_fields() {
        let failure = Failure::from(EngineError::Invalid(vec![engine::Mistake {
            field: "limits.memory_bytes",
            message: "too small".to_owned(),
        }]));
        assert_eq!(failure.problem.status, 422);
        assert_eq!(failure.problem.mistakes[0].field, "limits.memory_bytes");
    }

    #[test]
    fn a_registry_that_wants_a_login_signs_nobody_out_here() {
        let failure = Failure::from(EngineError::Image {
            reference: "r/x".to_owned(),
            kind: Kind::Unauthorized,
            reason: "401".to_owned(),
        });
        assert_ne!(failure.problem.status, 401);
    }
}
