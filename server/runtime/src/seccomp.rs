//! From the spec's list of system calls to a filter the kernel runs.
//! runtime-spec, config-linux.md, "Seccomp"; seccomp(2)

use crate::Failure;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator, Spec,
};
use sys::seccomp::Instruction;

#[derive(Debug, Clone)]
pub(crate) struct Filter {
    program: Vec<Instruction>,
    flags: u32,
}

impl Filter {
    pub(crate) fn load(&self) -> std::io::Result<()> {
        sys::seccomp::load(&self.program, self.flags)
    }
}

// Classic BPF, linux/bpf_common.h.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

// struct seccomp_data, linux/seccomp.h.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const TRACE: u32 = 0x7ff0_0000;
const TRAP: u32 = 0x0003_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const EPERM: u32 = 1;
/// Set in the numbers of x32's calls.
const X32_BIT: u32 = 0x4000_0000;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
const X86: u32 = 0x4000_0003;

/// A jump to behind the rule, filled in when its length is known.
const FAIL: u8 = u8::MAX;

fn instruction(code: u16, value: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        value,
    }
}

fn jump(code: u16, value: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        value,
    }
}

/// The filter of the spec; `None` when it has none.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Filter>, Failure> {
    let Some(seccomp) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else {
        return Ok(None);
    };
    let mut flags = 0;
    for flag in seccomp.flags().iter().flatten() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
            _ => 0,
        };
    }
    let program = program(seccomp)?;
    Ok(Some(Filter { program, flags }))
}

fn program(seccomp: &LinuxSeccomp) -> Result<Vec<Instruction>, Failure> {
    let fallback = action(seccomp.default_action(), seccomp.default_errno_ret())?;
    let listed = |wanted: &[Arch]| {
        seccomp
            .architectures()
            .as_ref()
            .is_some_and(|list| list.iter().any(|arch| wanted.contains(arch)))
    };
    let mut program = vec![instruction(LOAD, ARCHITECTURE)];
    let mut native = vec![instruction(LOAD, NUMBER)];
    if cfg!(target_arch = "x86_64") {
        // x32 has numbers of its own for the same calls; nothing uses it.
        native.extend([jump(JUMP_NOT_LESS, X32_BIT, 0, 1), instruction(RETURN, fallback)]);
    }
    native.extend(rules(seccomp, fallback, |name| {
        name.parse::<syscalls::Sysno>().ok().map(|number| number.id() as u32)
    })?);
    native.push(instruction(RETURN, fallback));
    program.extend(only_for(NATIVE, native)?);
    if cfg!(target_arch = "x86_64") && listed(&[Arch::ScmpArchX86]) {
        let mut other = vec![instruction(LOAD, NUMBER)];
        other.extend(rules(seccomp, fallback, |name| {
            name.parse::<syscalls::x86::Sysno>()
                .ok()
                .map(|number| number.id() as u32)
        })?);
        other.push(instruction(RETURN, fallback));
        program.extend(only_for(X86, other)?);
    }
    program.push(instruction(RETURN, KILL_PROCESS));
    if program.len() > 4096 {
        return Err(Failure::new(
            "seccomp",
            "the filter of system calls is longer than the kernel takes",
        ));
    }
    Ok(program)
}

/// Runs `block` when the loaded architecture is this one. Blocks are longer than a
/// conditional jump reaches, so one without condition goes over them.
fn only_for(architecture: u32, block: Vec<Instruction>) -> Result<Vec<Instruction>, Failure> {
    const JUMP: u16 = 0x05;
    let length = u32::try_from(block.len()).map_err(|_| Failure::new("seccomp", "the filter is too long"))?;
    let mut guarded = vec![jump(JUMP_EQUAL, architecture, 1, 0), instruction(JUMP, length)];
    guarded.extend(block);
    Ok(guarded)
}

/// Rules with conditions come first: they are the exceptions of the broader ones.
fn rules(
    seccomp: &LinuxSeccomp,
    fallback: u32,
    number_of: impl Fn(&str) -> Option<u32>,
) -> Result<Vec<Instruction>, Failure> {
    let mut conditional = Vec::new();
    let mut plain = Vec::new();
    for rule in seccomp.syscalls().iter().flatten() {
        let action = action(rule.action(), rule.errno_ret())?;
        let arguments = rule.args().as_deref().unwrap_or_default();
        // Names the table does not know belong to other architectures or kernels.
        for number in rule.names().iter().filter_map(|name| number_of(name)) {
            if arguments.is_empty() {
                if action != fallback {
                    plain.extend([jump(JUMP_EQUAL, number, 0, 1), instruction(RETURN, action)]);
                }
            } else if has_repeats(arguments) {
                // Several conditions on one argument are alternatives.
                for argument in arguments {
                    conditional.extend(rule_with(number, std::slice::from_ref(argument), action)?);
                }
            } else {
                conditional.extend(rule_with(number, arguments, action)?);
            }
        }
    }
    conditional.extend(plain);
    Ok(conditional)
}

fn has_repeats(arguments: &[LinuxSeccompArg]) -> bool {
    (1..arguments.len()).any(|at| {
        arguments[..at]
            .iter()
            .any(|before| before.index() == arguments[at].index())
    })
}

fn rule_with(number: u32, arguments: &[LinuxSeccompArg], action: u32) -> Result<Vec<Instruction>, Failure> {
    let mut block = Vec::new();
    for argument in arguments {
        block.extend(condition(argument)?);
    }
    block.push(instruction(RETURN, action));
    let length = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        let behind = u8::try_from(length - at - 1)
            .ok()
            .filter(|distance| *distance < FAIL)
            .ok_or_else(|| Failure::new("seccomp", "a rule has too many conditions"))?;
        for target in [&mut instruction.jump_true, &mut instruction.jump_false] {
            if *target == FAIL {
                *target = behind;
            }
        }
    }
    let over = u8::try_from(length + 1).map_err(|_| Failure::new("seccomp", "a rule has too many conditions"))?;
    let mut rule = vec![jump(JUMP_EQUAL, number, 0, over)];
    rule.extend(block);
    // The conditions loaded arguments; the next rule looks at the number again.
    rule.push(instruction(LOAD, NUMBER));
    Ok(rule)
}

/// Goes on when the argument meets the condition, and to [`FAIL`] when not.
fn condition(argument: &LinuxSeccompArg) -> Result<Vec<Instruction>, Failure> {
    let index = u32::try_from(argument.index())
        .ok()
        .filter(|index| *index < 6)
        .ok_or_else(|| Failure::new("seccomp", "a system call has six arguments"))?;
    let (low_at, high_at) = (ARGUMENTS + 8 * index, ARGUMENTS + 8 * index + 4);
    let halves = |value: u64| ((value & 0xffff_ffff) as u32, (value >> 32) as u32);
    let (low, high) = halves(argument.value());
    let load_high = instruction(LOAD, high_at);
    let load_low = instruction(LOAD, low_at);
    // The jumps of 3 go behind a condition of five instructions.
    let ordered = |above: bool, last: Instruction| {
        let first = if above {
            jump(JUMP_GREATER, high, 3, 0)
        } else {
            jump(JUMP_NOT_LESS, high, 0, 3)
        };
        vec![load_high, first, jump(JUMP_EQUAL, high, 0, FAIL), load_low, last]
    };
    Ok(match argument.op() {
        LinuxSeccompOperator::ScmpCmpEq => vec![
            load_high,
            jump(JUMP_EQUAL, high, 0, FAIL),
            load_low,
            jump(JUMP_EQUAL, low, 0, FAIL),
        ],
        LinuxSeccompOperator::ScmpCmpNe => vec![
            load_high,
            jump(JUMP_EQUAL, high, 0, 2),
            load_low,
            jump(JUMP_EQUAL, low, FAIL, 0),
        ],
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let (wanted_low, wanted_high) = halves(argument.value_two().unwrap_or(0));
            vec![
                load_high,
                instruction(AND, high),
                jump(JUMP_EQUAL, wanted_high, 0, FAIL),
                load_low,
                instruction(AND, low),
                jump(JUMP_EQUAL, wanted_low, 0, FAIL),
            ]
        }
        LinuxSeccompOperator::ScmpCmpGt => ordered(true, jump(JUMP_GREATER, low, 0, FAIL)),
        LinuxSeccompOperator::ScmpCmpGe => ordered(true, jump(JUMP_NOT_LESS, low, 0, FAIL)),
        LinuxSeccompOperator::ScmpCmpLt => ordered(false, jump(JUMP_NOT_LESS, low, FAIL, 0)),
        LinuxSeccompOperator::ScmpCmpLe => ordered(false, jump(JUMP_GREATER, low, FAIL, 0)),
    })
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, Failure> {
    let errno = errno.unwrap_or(EPERM) & 0xffff;
    Ok(match action {
        LinuxSeccompAction::ScmpActAllow => ALLOW,
        LinuxSeccompAction::ScmpActErrno => ERRNO | errno,
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => KILL_PROCESS,
        LinuxSeccompAction::ScmpActLog => LOG,
        LinuxSeccompAction::ScmpActTrap => TRAP,
        LinuxSeccompAction::ScmpActTrace => TRACE | errno,
        LinuxSeccompAction::ScmpActNotify => {
            return Err(Failure::new("seccomp", "the action SCMP_ACT_NOTIFY is not supported"));
        }
    })
}
