//! Containers that run a whole system: their command is an init, which wants its own
//! part of the control groups, empty `/run` and `/tmp`, and a signal of its own to stop.
//! <https://systemd.io/CONTAINER_INTERFACE>

use crate::Signal;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SystemChoice {
    /// By the command: [`looks_like_init`].
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `auto`, `always` and `never`")]
pub struct UnknownSystemChoice(pub String);

impl SystemChoice {
    pub fn parse(text: &str) -> Result<Self, UnknownSystemChoice> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            other => Err(UnknownSystemChoice(other.to_owned())),
        }
    }

    /// Whether a container with this argument list is a system.
    pub fn decide(self, arguments: &[String]) -> bool {
        match self {
            Self::Auto => arguments.first().is_some_and(|program| looks_like_init(program)),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// systemd wherever it lies, and `init` where systems have theirs. Not `/init`, which is
/// the supervisor of many images that are no system.
pub fn looks_like_init(program: &str) -> bool {
    let name = program.rsplit('/').next();
    name == Some("systemd") || matches!(program, "/sbin/init" | "/usr/sbin/init" | "/usr/local/sbin/init")
}

/// What an init halts by, known from the name of its program with links followed.
pub fn halt_signal(program: &str) -> Signal {
    match program.rsplit('/').next() {
        Some("busybox") => Signal::USR1,
        Some("init" | "openrc-init") => Signal::PWR,
        _ => Signal::RTMIN_3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_is_known_by_its_place_and_systemd_by_its_name() {
        for program in ["/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "systemd"] {
            assert!(SystemChoice::Auto.decide(&[program.to_owned()]), "{program}");
        }
        for program in ["/init", "init", "/bin/sh", "/usr/bin/systemd-run", "/srv/init"] {
            assert!(!SystemChoice::Auto.decide(&[program.to_owned()]), "{program}");
        }
        assert!(SystemChoice::Always.decide(&["/bin/sh".to_owned()]));
        assert!(!SystemChoice::Never.decide(&["/sbin/init".to_owned()]));
    }

    #[test]
    fn each_init_is_halted_by_its_own_signal() {
        assert_eq!(halt_signal("/usr/lib/systemd/systemd").to_string(), "SIGRTMIN+3");
        assert_eq!(halt_signal("/bin/busybox"), Signal::USR1);
        assert_eq!(halt_signal("/sbin/init"), Signal::PWR);
    }
}
