//! From the seccomp rules of a bundle to the program the kernel runs at each call.
//! runtime-spec, config-linux.md, "Seccomp"; kernel, userspace-api/seccomp_filter.rst
//!
//! The program asks for the architecture, then looks for the number of the call by
//! halving the ranges of numbers that have one answer, then, for the few calls where it
//! matters, at arguments. An architecture that is not listed is killed.
//!
//! Where rules of a bundle meet on one call: those with conditions are asked before those
//! without, and of either kind the stricter before the laxer, by the kernel's own order
//! of answers. So a denial holds against a broader permission, and a permission under a
//! condition against a broader denial.

mod assembler;
mod compile;
#[cfg(feature = "fuzz")]
mod fuzz;
mod interpreter;
mod listener;
mod table;
#[cfg(test)]
mod tests;

use crate::Failure;
#[cfg(feature = "fuzz")]
pub use fuzz::Program;
pub(crate) use listener::{Announced, Listener, connect};
use oci_spec::runtime::Spec;
use std::io;
use sys::seccomp::{Flags, Instruction, action};

/// A program and how the kernel is to treat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    program: Vec<Instruction>,
    /// With `new_listener` set where some calls are announced to a listener.
    flags: Flags,
}

impl Filter {
    /// Puts the filter on the calling thread, for ever. Who listens to it is told.
    pub(crate) fn load(&self, listener: Option<&Listener>) -> io::Result<()> {
        match (sys::seccomp::load(&self.program, self.flags)?, listener) {
            (Some(announcements), Some(listener)) => listener.hand_over(&announcements),
            _ => Ok(()),
        }
    }

    /// Puts the filter on a process that announces nothing: calls that would be are
    /// answered with `ENOSYS`.
    pub(crate) fn load_without_listener(&self) -> io::Result<()> {
        let flags = Flags {
            new_listener: false,
            ..self.flags
        };
        sys::seccomp::load(&self.program, flags).map(drop)
    }

    /// Whether a process can wait for its start under the filter: it reads and writes, and
    /// calls capset(2) where it has to drop a capability after loading.
    pub(crate) fn allows_waiting(&self, drops_capability: bool) -> bool {
        let Some(numbers) = table::numbers(table::native()) else {
            return false;
        };
        let drop = drops_capability.then_some("capset");
        ["read", "write"].into_iter().chain(drop).all(|name| {
            let found = numbers.list.iter().find(|(known, _)| *known == name);
            found.is_some_and(|(_, number)| {
                let call = interpreter::Call {
                    audit: numbers.audit,
                    number: *number,
                    args: [0; 6],
                };
                let answer = interpreter::run(&self.program, &call).0;
                matches!(answer, action::ALLOW | action::LOG)
            })
        })
    }

    /// Whether some calls are announced instead of answered.
    pub(crate) fn announces(&self) -> bool {
        self.flags.new_listener
    }
}

/// What of it can be asked for. runtime-spec, features-linux.md, "Seccomp"
pub(crate) fn features() -> serde_json::Value {
    let flags = compile::FLAGS.map(|(flag, _)| flag);
    serde_json::json!({
        "enabled": true,
        "actions": compile::ACTIONS,
        "operators": compile::OPERATORS,
        "archs": table::known(),
        "knownFlags": flags,
        "supportedFlags": flags,
    })
}

/// The filter of the spec; `None` when it has none.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Filter>, Failure> {
    let Some(seccomp) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else {
        return Ok(None);
    };
    let filter = compile::compile(seccomp).map_err(|error| Failure::new("seccomp", error.to_string()))?;
    if filter.announces() {
        listener::check(seccomp)?;
    }
    Ok(Some(filter))
}
