use crate::Signal;

/// How a process ended. wait(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u8),
    Signaled(Signal),
}

impl ExitStatus {
    /// The status as a shell tells it: the code, or 128 plus the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => i32::from(code),
            Self::Signaled(signal) => 128 + signal.number(),
        }
    }

    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}
