//! How a process ended, on the wire: `"code": 3` or `"signal": 9`.

use model::{Signal, container};
use serde::{Deserialize, Serialize};

/// Flattened into the message or record that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    Code(u8),
    /// A signal's number, 1 to 64.
    Signal(u8),
}

impl From<container::ExitStatus> for ExitStatus {
    fn from(status: container::ExitStatus) -> Self {
        match status {
            container::ExitStatus::Code(code) => Self::Code(code),
            container::ExitStatus::Signaled(signal) => Self::Signal(u8::try_from(signal.number()).unwrap_or(u8::MAX)),
        }
    }
}

impl From<ExitStatus> for container::ExitStatus {
    /// A signal that does not exist is read as the code a shell would show.
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Code(code) => Self::Code(code),
            ExitStatus::Signal(number) => match Signal::from_number(i32::from(number)) {
                Some(signal) => Self::Signaled(signal),
                None => Self::Code(number.saturating_add(128)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_survive_both_ways() {
        for status in [
            container::ExitStatus::Code(0),
            container::ExitStatus::Code(255),
            container::ExitStatus::Signaled(Signal::KILL),
        ] {
            assert_eq!(container::ExitStatus::from(ExitStatus::from(status)), status);
        }
    }
}
