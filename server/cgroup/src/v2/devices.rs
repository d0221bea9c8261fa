//! Devices: a program in the kernel's own instructions that is asked at each open and
//! mknod. bpf(2); kernel, bpf/standardization/instruction-set.rst

use crate::devices::{Access, Exception, Policy};
use crate::error::CgroupError;
use std::fs::File;
use std::path::Path;
use sys::cgroup_device::{attach, attached, detach, load};

/// Puts a program for `policy` in the place of those that are there. The new one comes
/// before the old ones go, so that at no moment there is none.
pub(crate) fn set(dir: &Path, policy: &Policy) -> Result<(), CgroupError> {
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
    let program = load(&compile(policy)).map_err(failed("load"))?;
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

/// linux/bpf.h: `BPF_DEVCG_*`
const BLOCK: i32 = 1;
const CHAR: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const ALL: i32 = MKNOD | READ | WRITE;

/// Operations: class, size or source, and what is done.
const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbc;
const MOVE_NUMBER: u8 = 0xb7;
const AND_NUMBER: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_IF_NOT_EQUAL: u8 = 0x56;
const JUMP_IF_EQUAL: u8 = 0x16;
const EXIT: u8 = 0x95;

/// The program: each exception in turn answers and ends, or is jumped over.
pub(crate) fn compile(policy: &Policy) -> Vec<u64> {
    // struct bpf_cgroup_dev_ctx: access << 16 | kind, major, minor
    let mut program = vec![
        instruction(LOAD_WORD, KIND, QUESTION, 0, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(AND_NUMBER, KIND, 0, 0, 0xffff),
        instruction(LOAD_WORD, MAJOR, QUESTION, 4, 0),
        instruction(LOAD_WORD, MINOR, QUESTION, 8, 0),
    ];
    for exception in &policy.exceptions {
        program.extend(exception_block(exception, policy.allow_by_default));
    }
    program.extend(answer(policy.allow_by_default));
    program
}

fn exception_block(exception: &Exception, allow_by_default: bool) -> Vec<u64> {
    // (operation, register, number): each leaves the block when it holds.
    let mut leave: Vec<(u8, u8, i32)> = vec![(JUMP_IF_NOT_EQUAL, KIND, if exception.block { BLOCK } else { CHAR })];
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            leave.push((JUMP_IF_NOT_EQUAL, register, number.cast_signed()));
        }
    }
    let bits = bits(exception.access);
    // Allowed is what asks for nothing beyond the exception; denied, what asks for any
    // of it.
    let access_test = if allow_by_default {
        Some((bits, JUMP_IF_EQUAL))
    } else if bits == ALL {
        None
    } else {
        Some((ALL & !bits, JUMP_IF_NOT_EQUAL))
    };
    let mut block = Vec::new();
    let length = leave.len() + access_test.map_or(0, |_| 3) + 2;
    let distance = |at: usize| i16::try_from(length - at - 1).unwrap_or(i16::MAX);
    for (operation, register, number) in leave {
        block.push(instruction(operation, register, 0, distance(block.len()), number));
    }
    if let Some((mask, jump)) = access_test {
        block.push(instruction(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0));
        block.push(instruction(AND_NUMBER, SCRATCH, 0, 0, mask));
        block.push(instruction(jump, SCRATCH, 0, distance(block.len()), 0));
    }
    block.extend(answer(!allow_by_default));
    block
}

fn answer(allow: bool) -> [u64; 2] {
    [
        instruction(MOVE_NUMBER, ANSWER, 0, 0, i32::from(allow)),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

fn bits(access: Access) -> i32 {
    i32::from(access.mknod) * MKNOD + i32::from(access.read) * READ + i32::from(access.write) * WRITE
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
    use crate::devices::DeviceRule;
    use crate::devices::tests::{EVERYTHING, char_device};
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

    /// The policy said again, in words.
    fn judge(policy: &Policy, block: bool, access: i32, major: u32, minor: u32) -> bool {
        let meant = |exception: &&Exception| {
            exception.block == block
                && exception.major.is_none_or(|number| number == major)
                && exception.minor.is_none_or(|number| number == minor)
        };
        let mut found = policy.exceptions.iter().filter(meant);
        if policy.allow_by_default {
            !found.any(|exception| bits(exception.access) & access != 0)
        } else {
            found.any(|exception| access & !bits(exception.access) == 0)
        }
    }

    fn any_rule() -> impl Strategy<Value = DeviceRule> {
        (any::<bool>(), 0u32..3, proptest::option::of(0u32..3), "[rwm]{1,3}")
            .prop_map(|(allow, major, minor, access)| char_device(allow, major, minor, &access))
    }

    proptest! {
        #[test]
        fn the_program_answers_as_the_policy_says(
            allow_first in any::<bool>(),
            rules in proptest::collection::vec(any_rule(), 0..8),
            access in 1i32..8, block in any::<bool>(), major in 0u32..4, minor in 0u32..4,
        ) {
            let mut list = vec![DeviceRule { allow: allow_first, ..EVERYTHING }];
            list.extend(rules);
            let policy = Policy::of(&list);
            let kind = if block { BLOCK } else { CHAR };
            prop_assert_eq!(
                run(&compile(&policy), kind, access, major, minor),
                judge(&policy, block, access, major, minor)
            );
        }
    }
}
