//! A filter that can be asked, for fuzzing.

use super::Filter;
use super::compile::compile;
use super::interpreter::{Call, run};
use super::table::{self, Numbers};
use oci_spec::runtime::{Arch, LinuxSeccomp};

pub struct Program {
    filter: Filter,
    doors: Vec<(Arch, Numbers)>,
}

impl Program {
    /// # Errors
    /// What a container would be refused with.
    pub fn compile(seccomp: &LinuxSeccomp, doors: &[Arch]) -> Result<Self, String> {
        let filter = compile(seccomp).map_err(|error| error.to_string())?;
        let numbers = |arch: &Arch| Some((*arch, table::numbers(*arch)?));
        Ok(Self {
            filter,
            doors: doors.iter().filter_map(numbers).collect(),
        })
    }

    /// The kernel's answer (`SECCOMP_RET_*`) to the call `name` by way of `door`; `None`
    /// where that has no such call.
    pub fn answer(&self, door: Arch, name: &str, args: [u64; 6]) -> Option<u32> {
        let (_, numbers) = self.doors.iter().find(|(arch, _)| *arch == door)?;
        Some(self.answer_to(numbers.audit, self.number(door, name)?, args))
    }

    /// The number of the call `name` by way of `door`.
    pub fn number(&self, door: Arch, name: &str) -> Option<u32> {
        let (_, numbers) = self.doors.iter().find(|(arch, _)| *arch == door)?;
        let (_, number) = *numbers.list.iter().find(|(known, _)| *known == name)?;
        Some(number)
    }

    /// The answer to any call at all.
    pub fn answer_to(&self, audit: u32, number: u32, args: [u64; 6]) -> u32 {
        let (answer, steps) = run(&self.filter.program, &Call { audit, number, args });
        // The language has no way back.
        assert!(steps <= self.filter.program.len());
        answer
    }
}
