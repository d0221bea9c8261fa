//! Why a build did not become an image.

use crate::error::{EngineError, Kind};

/// Told once, with its place.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file, the context or the request is at fault.
    Mistake(String),
    /// A `RUN` ended with this.
    Command {
        message: String,
        code: i32,
    },
    Cancelled,
    Engine(EngineError),
}

impl Failure {
    pub(super) fn mistake(message: impl Into<String>) -> Self {
        Self::Mistake(message.into())
    }

    /// Puts the place in front, where it is not told yet.
    pub(super) fn at(self, file: &str, line: u32, keyword: &str) -> Self {
        let place = |message: String| format!("{file}, line {line}, {keyword}: {message}");
        match self {
            Self::Mistake(message) => Self::Mistake(place(message)),
            Self::Command { message, code } => Self::Command {
                message: place(message),
                code,
            },
            Self::Cancelled => Self::Cancelled,
            Self::Engine(error) => match error.kind() {
                Kind::Cancelled | Kind::Unavailable => Self::Engine(error),
                kind => Self::Engine(EngineError::Build {
                    kind,
                    reason: place(error.to_string()),
                    code: None,
                }),
            },
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Mistake(message) | Self::Command { message, .. } => message.clone(),
            Self::Cancelled => "the build was cancelled".to_owned(),
            Self::Engine(error) => error.to_string(),
        }
    }

    pub(super) fn into_error(self) -> EngineError {
        match self {
            Self::Mistake(reason) => EngineError::Build {
                kind: Kind::Invalid,
                reason,
                code: None,
            },
            Self::Command { message, code } => EngineError::Build {
                kind: Kind::Invalid,
                reason: message,
                code: Some(code),
            },
            Self::Cancelled => EngineError::Cancelled("the build".to_owned()),
            Self::Engine(error) => error,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        if error.kind() == Kind::Cancelled {
            return Self::Cancelled;
        }
        Self::Engine(error)
    }
}

impl From<image::ImageError> for Failure {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::Cancelled => Self::Cancelled,
            error => Self::Engine(EngineError::Build {
                kind: Kind::Failed,
                reason: crate::error::show_causes(&error),
                code: None,
            }),
        }
    }
}
