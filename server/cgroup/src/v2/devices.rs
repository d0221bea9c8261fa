//! Devices: a program in the kernel's own instructions that is asked at each open and
//! mknod. bpf(2); kernel, bpf/standardization/instruction-set.rst

use crate::devices::{Access, DeviceKind, DeviceRule};
use crate::error::CgroupError;
use std::fs::File;
use std::path::Path;
use sys::cgroup_device::{attach, attached, detach, load};

/// Puts a program for `rules` in the place of those that are there. The new one comes
/// before the old ones go, so that at no moment there is none.
pub(crate) fn set(dir: &Path, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    let failed = |doing| {
        move |source| CgroupError::DeviceProgram {
            doing,
            dir: dir.to_owned(),
            source,
        }
    };
    let group = File::open(dir).map_err(|source| CgroupError::Open {
        dir: dir.to_owned(),
        source,
    })?;
    let old = attached(&group).map_err(failed("look for"))?;
    let program = load(&compile(rules)).map_err(failed("load"))?;
    attach(&group, &program).map_err(failed("attach"))?;
    for old in &old {
        detach(&group, old).map_err(failed("detach"))?;
    }
    Ok(())
}

/// Registers: what is answered, the question, and what was read from it.
const ANSWER: u8 = 0;
const QUESTION: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// linux/bpf.h: `BPF_DEVCG_DEV_*`
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// Operations: class, size or source, and what is done.
const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbc;
const MOVE_NUMBER: u8 = 0xb7;
const AND_NUMBER: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_NOT_EQUAL: u8 = 0x56;
const JUMP_IF_EQUAL: u8 = 0x16;
const EXIT: u8 = 0x95;

/// The program: the last rule is asked first. `ACCESS` holds what is not decided yet.
fn compile(rules: &[DeviceRule]) -> Vec<u64> {
    // struct bpf_cgroup_dev_ctx: access << 16 | kind, major, minor
    let mut program = vec![
        instruction(LOAD_WORD, KIND, QUESTION, 0, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(AND_NUMBER, KIND, 0, 0, 0xffff),
        instruction(LOAD_WORD, MAJOR, QUESTION, 4, 0),
        instruction(LOAD_WORD, MINOR, QUESTION, 8, 0),
    ];
    let mut by_default = false;
    for rule in rules.iter().rev() {
        if rule.is_everything() {
            // Nothing before it counts.
            by_default = rule.allow;
            break;
        }
        program.extend(block_of(rule));
    }
    program.extend(answer(by_default));
    program
}

/// Is left when the question is about another device; answers when it decides the rest.
fn block_of(rule: &DeviceRule) -> Vec<u64> {
    // (register, number): each leaves the block when they differ.
    let kind = match rule.kind {
        DeviceKind::All => None,
        DeviceKind::Char => Some(CHAR),
        DeviceKind::Block => Some(BLOCK),
    };
    let tests: Vec<(u8, i32)> = [
        (KIND, kind),
        (MAJOR, rule.major.map(u32::cast_signed)),
        (MINOR, rule.minor.map(u32::cast_signed)),
    ]
    .into_iter()
    .filter_map(|(register, number)| Some((register, number?)))
    .collect();
    let bits = i32::from(rule.access().0);
    let rest = i32::from(Access::ALL.without(rule.access()).0);
    let [value, exit] = answer(rule.allow);
    let decision = if rule.allow {
        // What it allows needs no further word.
        vec![
            instruction(AND_NUMBER, ACCESS, 0, 0, rest),
            instruction(JUMP_IF_NOT_EQUAL, ACCESS, 0, 2, 0),
            value,
            exit,
        ]
    } else {
        vec![
            instruction(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0),
            instruction(AND_NUMBER, SCRATCH, 0, 0, bits),
            instruction(JUMP_IF_EQUAL, SCRATCH, 0, 2, 0),
            value,
            exit,
        ]
    };
    let length = tests.len() + decision.len();
    let mut block = Vec::with_capacity(length);
    for (register, number) in tests {
        let distance = i16::try_from(length - block.len() - 1).unwrap_or(i16::MAX);
        block.push(instruction(JUMP_IF_NOT_EQUAL, register, 0, distance, number));
    }
    block.extend(decision);
    block
}

fn answer(allow: bool) -> [u64; 2] {
    [
        instruction(MOVE_NUMBER, ANSWER, 0, 0, i32::from(allow)),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

/// struct bpf_insn, as it lies in memory.
fn instruction(operation: u8, to: u8, from: u8, offset: i16, number: i32) -> u64 {
    let [offset_low, offset_high] = offset.to_ne_bytes();
    let [a, b, c, d] = number.to_ne_bytes();
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    u64::from_ne_bytes([operation, registers, offset_low, offset_high, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tests::{any_rule, judge};
    use proptest::prelude::*;

    /// Runs a program on one question, as the kernel would.
    fn run(program: &[u64], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let context = [
            u64::from((access.cast_unsigned() << 16) | kind.cast_unsigned()),
            u64::from(major),
            u64::from(minor),
        ];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let [operation, both, low, high, a, b, c, d] = program[at].to_ne_bytes();
            let (to, from) = (usize::from(both & 15), usize::from(both >> 4));
            let offset = i16::from_ne_bytes([low, high]);
            let number = i32::from_ne_bytes([a, b, c, d]);
            at += 1;
            match operation {
                LOAD_WORD => registers[to] = context[usize::try_from(offset).unwrap() / 4],
                MOVE_REGISTER => registers[to] = registers[from] & 0xffff_ffff,
                MOVE_NUMBER => registers[to] = u64::from(number.cast_unsigned()),
                AND_NUMBER => registers[to] &= u64::from(number.cast_unsigned()),
                SHIFT_RIGHT => registers[to] = (registers[to] & 0xffff_ffff) >> number,
                JUMP_IF_EQUAL if registers[to] == u64::from(number.cast_unsigned()) => {
                    at += usize::try_from(offset).unwrap();
                }
                JUMP_IF_NOT_EQUAL if registers[to] != u64::from(number.cast_unsigned()) => {
                    at += usize::try_from(offset).unwrap();
                }
                JUMP_IF_EQUAL | JUMP_IF_NOT_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("unknown operation {other:#x}"),
            }
        }
    }

    proptest! {
        #[test]
        fn the_program_answers_as_the_rules_say(
            rules in proptest::collection::vec(any_rule(), 0..8),
            access in 1u8..8, block in any::<bool>(), major in 0u32..4, minor in 0u32..4,
        ) {
            let kind = if block { BLOCK } else { CHAR };
            prop_assert_eq!(
                run(&compile(&rules), kind, i32::from(access), major, minor),
                judge(&rules, block, Access(access), major, minor)
            );
        }
    }
}
