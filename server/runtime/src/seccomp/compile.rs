//! Rules to program.

use super::Filter;
use super::assembler::{Assembler, Label, Test};
use super::table::{self, AUDIT_X86_64, X32_BIT};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall,
};
use std::collections::{BTreeMap, HashMap};
use sys::seccomp::{Flags, action};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SeccompError {
    #[error("seccomp rule of `{call}` asks for argument {index}; calls have arguments 0 to 5")]
    Argument { call: String, index: usize },
    #[error("seccomp filter comes to {0} instructions; the kernel takes 4096")]
    TooLong(usize),
    #[error("seccomp knows no numbers of system calls for this processor")]
    Architecture,
    #[error(
        "seccomp default action cannot be `SCMP_ACT_NOTIFY`: handing the listener over would wait for the listener"
    )]
    NotifyAll,
}

const MOST_INSTRUCTIONS: usize = 4096;

// struct seccomp_data, linux/seccomp.h
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Names of calls that the architecture has not are passed over: profiles name those of
/// all kernels.
pub(super) fn compile(seccomp: &LinuxSeccomp) -> Result<Filter, SeccompError> {
    if seccomp.default_action() == LinuxSeccompAction::ScmpActNotify {
        return Err(SeccompError::NotifyAll);
    }
    let rules = Rules::of(seccomp)?;
    let mut assembler = Assembler::default();
    write(&mut assembler, &rules, &architectures(seccomp))?;
    let program = assembler.finish();
    if program.len() > MOST_INSTRUCTIONS {
        return Err(SeccompError::TooLong(program.len()));
    }
    Ok(Filter {
        program,
        flags: flags(seccomp),
    })
}

/// The native one always: without it nothing could run.
fn architectures(seccomp: &LinuxSeccomp) -> Vec<Arch> {
    let mut found = vec![table::native()];
    for arch in seccomp.architectures().iter().flatten() {
        if *arch != Arch::ScmpArchNative && !found.contains(arch) {
            found.push(*arch);
        }
    }
    found
}

/// What can be asked for, by the names of the specification; [`answer`] and [`compare`]
/// say what each means.
pub(super) const ACTIONS: [LinuxSeccompAction; 9] = [
    LinuxSeccompAction::ScmpActAllow,
    LinuxSeccompAction::ScmpActErrno,
    LinuxSeccompAction::ScmpActKill,
    LinuxSeccompAction::ScmpActKillProcess,
    LinuxSeccompAction::ScmpActKillThread,
    LinuxSeccompAction::ScmpActLog,
    LinuxSeccompAction::ScmpActNotify,
    LinuxSeccompAction::ScmpActTrace,
    LinuxSeccompAction::ScmpActTrap,
];

pub(super) const OPERATORS: [LinuxSeccompOperator; 7] = [
    LinuxSeccompOperator::ScmpCmpEq,
    LinuxSeccompOperator::ScmpCmpGe,
    LinuxSeccompOperator::ScmpCmpGt,
    LinuxSeccompOperator::ScmpCmpLe,
    LinuxSeccompOperator::ScmpCmpLt,
    LinuxSeccompOperator::ScmpCmpMaskedEq,
    LinuxSeccompOperator::ScmpCmpNe,
];

type Raise = fn(&mut Flags);

pub(super) const FLAGS: [(LinuxSeccompFilterFlag, Raise); 4] = [
    (LinuxSeccompFilterFlag::SeccompFilterFlagLog, |flags| {
        flags.log = true;
    }),
    (LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow, |flags| {
        flags.spec_allow = true;
    }),
    (LinuxSeccompFilterFlag::SeccompFilterFlagTsync, |flags| {
        flags.tsync = true;
    }),
    (LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv, |flags| {
        flags.wait_killable_recv = true;
    }),
];

fn flags(seccomp: &LinuxSeccomp) -> Flags {
    let mut flags = Flags::default();
    for asked in seccomp.flags().iter().flatten() {
        if let Some((_, raise)) = FLAGS.iter().find(|(flag, _)| flag == asked) {
            raise(&mut flags);
        }
    }
    let mut actions = seccomp.syscalls().iter().flatten().map(LinuxSyscall::action);
    flags.new_listener = actions.any(|action| action == LinuxSeccompAction::ScmpActNotify);
    // The kernel knows the one only with the other.
    flags.wait_killable_recv &= flags.new_listener;
    flags
}

/// The `SECCOMP_RET_*` of an action.
fn answer(action: LinuxSeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => action::KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => action::KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => action::TRAP,
        LinuxSeccompAction::ScmpActErrno => action::ERRNO | data,
        LinuxSeccompAction::ScmpActNotify => action::USER_NOTIF,
        LinuxSeccompAction::ScmpActTrace => action::TRACE | data,
        LinuxSeccompAction::ScmpActLog => action::LOG,
        LinuxSeccompAction::ScmpActAllow => action::ALLOW,
    }
}

/// The kernel's order among answers: the least is the strictest.
fn strictness(answer: u32) -> i32 {
    (answer & 0xffff_0000).cast_signed()
}

/// Calls that are newer than the profile do not exist for it: the C library then falls back
/// to the calls it used before, which it does not on any other error.
fn answer_to_newer(default: u32) -> u32 {
    match default & 0xffff_0000 {
        action::ALLOW | action::LOG | action::TRACE => default,
        _ => action::ERRNO | ENOSYS,
    }
}

/// What is to happen at one call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Verdict {
    /// The first whose arguments all fit answers.
    conditions: Vec<(Vec<LinuxSeccompArg>, u32)>,
    /// When none does; the default without.
    otherwise: Option<u32>,
}

struct Rules<'a> {
    default: u32,
    /// The answer to calls with numbers above every listed one.
    newer: u32,
    by_name: HashMap<&'a str, Verdict>,
}

impl<'a> Rules<'a> {
    fn of(seccomp: &'a LinuxSeccomp) -> Result<Self, SeccompError> {
        let default = answer(seccomp.default_action(), seccomp.default_errno_ret());
        let mut by_name: HashMap<&str, Verdict> = HashMap::new();
        for rule in seccomp.syscalls().iter().flatten() {
            let answer = answer(rule.action(), rule.errno_ret());
            let args = rule.args().as_deref().unwrap_or_default();
            for name in rule.names() {
                check(name, args)?;
                by_name.entry(name).or_default().take(args, answer);
            }
        }
        for verdict in by_name.values_mut() {
            verdict.conditions.sort_by_key(|(_, answer)| strictness(*answer));
        }
        Ok(Self {
            default,
            newer: answer_to_newer(default),
            by_name,
        })
    }
}

impl Verdict {
    fn take(&mut self, args: &[LinuxSeccompArg], answer: u32) {
        if args.is_empty() {
            let stricter = |held: u32| strictness(answer) < strictness(held);
            if self.otherwise.is_none_or(stricter) {
                self.otherwise = Some(answer);
            }
            return;
        }
        // Several values for one argument are meant as "any of these" by those who write
        // profiles, since they can hardly fit all at once.
        let repeats = args
            .iter()
            .enumerate()
            .any(|(at, arg)| args[..at].iter().any(|before| before.index() == arg.index()));
        if repeats {
            self.conditions.extend(args.iter().map(|arg| (vec![*arg], answer)));
        } else {
            self.conditions.push((args.to_vec(), answer));
        }
    }
}

fn check(call: &str, args: &[LinuxSeccompArg]) -> Result<(), SeccompError> {
    for arg in args {
        if arg.index() > 5 {
            return Err(SeccompError::Argument {
                call: call.to_owned(),
                index: arg.index(),
            });
        }
    }
    Ok(())
}

/// The calls of one audit architecture: two sets of numbers on x86_64, else one.
struct Section<'a> {
    audit: u32,
    calls: BTreeMap<u32, &'a Verdict>,
    /// Whether the numbers below and from [`X32_BIT`] on are listed at all.
    below: bool,
    from: bool,
}

fn sections<'a>(rules: &'a Rules<'_>, architectures: &[Arch]) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for arch in architectures {
        let Some(numbers) = table::numbers(*arch) else {
            // Another processor's: the kernel here never meets it.
            continue;
        };
        let known = sections.iter().position(|section| section.audit == numbers.audit);
        let at = known.unwrap_or_else(|| {
            sections.push(Section {
                audit: numbers.audit,
                calls: BTreeMap::new(),
                below: false,
                from: numbers.audit != AUDIT_X86_64,
            });
            sections.len() - 1
        });
        let section = &mut sections[at];
        if *arch == Arch::ScmpArchX32 {
            section.from = true;
        } else {
            section.below = true;
        }
        for (name, number) in numbers.list {
            if let Some(verdict) = rules.by_name.get(name) {
                section.calls.insert(number, verdict);
            }
        }
    }
    sections
}

/// Backwards: first what is reached last.
fn write(to: &mut Assembler, rules: &Rules<'_>, architectures: &[Arch]) -> Result<(), SeccompError> {
    let sections = sections(rules, architectures);
    if sections.is_empty() {
        return Err(SeccompError::Architecture);
    }
    let mut next = to.answer(action::KILL_PROCESS);
    // The native one is asked for first, so written last.
    for section in sections.iter().rev() {
        let found = find(to, rules, &ranges(section));
        to.fall_into(found);
        let begin = to.load(NUMBER);
        next = to.test(Test::Equal, section.audit, begin, next);
    }
    to.fall_into(next);
    to.load(ARCHITECTURE);
    Ok(())
}

/// What a stretch of numbers leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome<'a> {
    /// `None` is the default.
    Answer(Option<u32>),
    Arguments(&'a Verdict),
    /// Above every listed number.
    Newer,
    Killed,
}

/// Stretches with one outcome, each by its first number, from 0 on.
fn ranges<'a>(section: &Section<'a>) -> Vec<(u32, Outcome<'a>)> {
    // Of either half, when it is listed at all and has a call that is.
    let last_below = section.calls.range(..X32_BIT).next_back().map(|(number, _)| *number);
    let last_from = section.calls.range(X32_BIT..).next_back().map(|(number, _)| *number);
    let is_x86_64 = section.audit == AUDIT_X86_64;
    let unlisted = |number: u32| {
        let (listed, last) = match (number < X32_BIT, is_x86_64) {
            (true, _) => (section.below, last_below),
            (false, true) => (section.from, last_from),
            (false, false) => (section.from, last_from.or(last_below)),
        };
        match (listed, last) {
            (false, _) => Outcome::Killed,
            (true, Some(last)) if number > last => Outcome::Newer,
            (true, _) => Outcome::Answer(None),
        }
    };
    let mut stretches: Vec<(u32, Outcome<'a>)> = vec![(0, unlisted(0))];
    let mut put = |number: u32, outcome: Outcome<'a>| {
        stretches.pop_if(|(first, _)| *first == number);
        if stretches.last().is_none_or(|(_, last)| *last != outcome) {
            stretches.push((number, outcome));
        }
    };
    let mut next = 0;
    for (number, verdict) in &section.calls {
        if next <= X32_BIT && *number > X32_BIT {
            put(X32_BIT, unlisted(X32_BIT));
        }
        let outcome = if verdict.conditions.is_empty() {
            Outcome::Answer(verdict.otherwise)
        } else {
            Outcome::Arguments(verdict)
        };
        put(*number, outcome);
        next = number + 1;
        put(next, unlisted(next));
    }
    if next <= X32_BIT {
        put(X32_BIT, unlisted(X32_BIT));
    }
    stretches
}

/// Halves the stretches until one is left.
fn find(to: &mut Assembler, rules: &Rules<'_>, ranges: &[(u32, Outcome<'_>)]) -> Label {
    match ranges {
        [] => to.answer(rules.default),
        [(_, Outcome::Answer(answer))] => to.answer(answer.unwrap_or(rules.default)),
        [(_, Outcome::Newer)] => to.answer(rules.newer),
        [(_, Outcome::Killed)] => to.answer(action::KILL_PROCESS),
        [(_, Outcome::Arguments(verdict))] => arguments(to, rules.default, verdict),
        _ => {
            let (below, from) = ranges.split_at(ranges.len() / 2);
            let high = find(to, rules, from);
            let low = find(to, rules, below);
            to.test(Test::GreaterOrEqual, from[0].0, high, low)
        }
    }
}

fn arguments(to: &mut Assembler, default: u32, verdict: &Verdict) -> Label {
    let mut next = to.answer(verdict.otherwise.unwrap_or(default));
    for (args, answer) in verdict.conditions.iter().rev() {
        let mut met = to.answer(*answer);
        for arg in args.iter().rev() {
            met = compare(to, arg, met, next);
        }
        next = met;
    }
    next
}

/// A comparison of 64 bits in two halves, since the machine has 32.
fn compare(to: &mut Assembler, arg: &LinuxSeccompArg, met: Label, unmet: Label) -> Label {
    let (index, value) = (arg.index(), arg.value());
    match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => equal(to, index, u64::MAX, value, met, unmet),
        LinuxSeccompOperator::ScmpCmpNe => equal(to, index, u64::MAX, value, unmet, met),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            // Engines leave it out where it is 0.
            let wanted = arg.value_two().unwrap_or(0);
            equal(to, index, value, wanted, met, unmet)
        }
        LinuxSeccompOperator::ScmpCmpGt => above(to, index, Test::Greater, value, met, unmet),
        LinuxSeccompOperator::ScmpCmpGe => above(to, index, Test::GreaterOrEqual, value, met, unmet),
        LinuxSeccompOperator::ScmpCmpLe => above(to, index, Test::Greater, value, unmet, met),
        LinuxSeccompOperator::ScmpCmpLt => above(to, index, Test::GreaterOrEqual, value, unmet, met),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

impl Half {
    #[expect(clippy::cast_possible_truncation, reason = "a half is what is wanted")]
    fn of(self, value: u64) -> u32 {
        match self {
            Self::Low => value as u32,
            Self::High => (value >> 32) as u32,
        }
    }

    /// Where this half of argument `index` lies.
    fn offset(self, index: usize) -> u32 {
        let second = (self == Self::High) == cfg!(target_endian = "little");
        let index = u32::try_from(index).unwrap_or(0);
        ARGUMENTS + 8 * index + if second { 4 } else { 0 }
    }
}

fn equal(to: &mut Assembler, index: usize, mask: u64, wanted: u64, met: Label, unmet: Label) -> Label {
    let mut begin = met;
    for half in [Half::Low, Half::High] {
        let (mask, wanted) = (half.of(mask), half.of(wanted));
        if mask == 0 && wanted == 0 {
            continue;
        }
        to.test(Test::Equal, wanted, begin, unmet);
        if mask != u32::MAX {
            to.and(mask);
        }
        begin = to.load(half.offset(index));
    }
    begin
}

fn above(to: &mut Assembler, index: usize, test: Test, value: u64, met: Label, unmet: Label) -> Label {
    to.test(test, Half::Low.of(value), met, unmet);
    let low = to.load(Half::Low.offset(index));
    let same = to.test(Test::Equal, Half::High.of(value), low, unmet);
    to.test(Test::Greater, Half::High.of(value), met, same);
    to.load(Half::High.offset(index))
}
