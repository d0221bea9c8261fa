//! Signals by name and number, as Linux on x86-64 and arm64 counts them (signal(7)).

use std::fmt;

/// A signal number from 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(u8);

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The first and last real-time signal a program may use; the C library keeps 32 and 33.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no signal `{0}`; give a name such as `TERM`, `SIGRTMIN+3`, or a number from 1 to 64")]
pub struct UnknownSignal(pub String);

impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const KILL: Self = Self(9);
    pub const USR1: Self = Self(10);
    pub const TERM: Self = Self(15);
    pub const CONT: Self = Self(18);
    pub const PWR: Self = Self(30);
    /// `SIGRTMIN+3`, by which systemd halts. systemd(1)
    pub const RTMIN_3: Self = Self(RTMIN + 3);

    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| (1..=RTMAX).contains(n)).map(Self)
    }

    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Takes `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
    pub fn parse(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.to_owned());
        if let Ok(number) = text.parse::<i32>() {
            return Self::from_number(number).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let offset = |text: &str, sign: char| match text.strip_prefix(sign) {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<u8>().ok(),
            Some(_) => None,
            None => text.is_empty().then_some(0),
        };
        let (from_least, from_most) = (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX"));
        let number = match name {
            "CLD" => Some(17),
            "POLL" => Some(29),
            "IOT" => Some(6),
            _ if let Some(text) = from_least => offset(text, '+')
                .and_then(|o| RTMIN.checked_add(o))
                .filter(|n| *n <= RTMAX),
            _ if let Some(text) = from_most => offset(text, '-')
                .and_then(|o| RTMAX.checked_sub(o))
                .filter(|n| *n >= RTMIN),
            _ => (1u8..)
                .zip(NAMES)
                .find(|(_, known)| *known == name)
                .map(|(number, _)| number),
        };
        number.map(Self).ok_or_else(unknown)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 >= RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_as_itself() {
        for number in (1..32).chain(34..=64) {
            let signal = Signal::from_number(number).expect("in range");
            assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
            assert_eq!(Signal::parse(&number.to_string()), Ok(signal));
        }
    }

    #[test]
    fn names_are_taken_with_and_without_prefix_in_any_case() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(Signal::parse(text), Ok(Signal::TERM));
        }
        assert_eq!(Signal::parse("SIGRTMIN+3").map(Signal::number), Ok(37));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "", "0", "65", "SIG", "NOPE", "RTMIN+99", "RTMAX-40", "RTMIN-1", "-9", "RTMINé", "RTMINx3", "RTMAX-+1",
        ] {
            assert!(Signal::parse(text).is_err(), "{text}");
        }
    }
}
