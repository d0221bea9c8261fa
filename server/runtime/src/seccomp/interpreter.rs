//! The kernel's machine: what a program answers to a call.

use super::assembler::{AND, JUMP, LOAD_WORD, RETURN, Test};
use sys::seccomp::{Instruction, action};

pub(super) struct Call {
    pub(super) audit: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    /// A word of `struct seccomp_data`, linux/seccomp.h.
    fn word(&self, offset: u32) -> u32 {
        let mut data = Vec::new();
        data.extend(self.number.to_ne_bytes());
        data.extend(self.audit.to_ne_bytes());
        data.extend([0; 8]);
        for arg in self.args {
            data.extend(arg.to_ne_bytes());
        }
        let at = offset as usize;
        let word = data.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map_or(0, u32::from_ne_bytes)
    }
}

/// The answer, and how many instructions it took. A program that the kernel would not take
/// kills.
pub(super) fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator, mut steps) = (0, 0u32, 0);
    while let Some(instruction) = program.get(at) {
        let Instruction {
            code,
            if_true,
            if_false,
            operand,
        } = *instruction;
        at += 1;
        steps += 1;
        let jump = |holds: bool| usize::from(if holds { if_true } else { if_false });
        match code {
            LOAD_WORD => accumulator = call.word(operand),
            AND => accumulator &= operand,
            JUMP => at += operand as usize,
            RETURN => return (operand, steps),
            code if code == Test::Equal.code() => at += jump(accumulator == operand),
            code if code == Test::Greater.code() => at += jump(accumulator > operand),
            code if code == Test::GreaterOrEqual.code() => at += jump(accumulator >= operand),
            _ => break,
        }
    }
    (action::KILL_PROCESS, steps)
}
