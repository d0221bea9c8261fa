//! Seccomp profiles of users: resolved, compiled and run in the kernel's language, and
//! each answer compared with what the rules say when they are read plainly.

use bundle::seccomp::{Host, Kernel, Profile, resolve};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};
use runtime::fuzz::Program;

const DOORS: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
const KILL_PROCESS: u32 = 0x8000_0000;
/// Of names and values a document may hold very many.
const MOST: usize = 24;

const CAPABILITIES: [&[&str]; 3] = [&[], &["CAP_SYS_ADMIN", "BPF"], &["SYS_PTRACE", "cap_sys_chroot"]];

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(profile) = Profile::parse(text)
    {
        let kernel = Kernel(6, u32::from(bytes.len() % 2 == 0));
        for capabilities in CAPABILITIES {
            let capabilities: Vec<String> = capabilities.iter().map(|name| (*name).to_owned()).collect();
            let arch = Arch::ScmpArchX86_64;
            judge(&resolve(&profile, &capabilities, Host { arch, kernel }));
        }
    }
    if let Ok(seccomp) = serde_json::from_slice(bytes) {
        judge(&seccomp);
    }
}

fn judge(seccomp: &LinuxSeccomp) {
    let Ok(program) = Program::compile(seccomp, &DOORS) else {
        return;
    };
    let rules: Vec<&LinuxSyscall> = seccomp.syscalls().iter().flatten().collect();
    let mut names: Vec<&str> = rules
        .iter()
        .flat_map(|rule| rule.names())
        .map(String::as_str)
        .take(MOST)
        .collect();
    names.extend(["read", "clone3", "socket"]);
    let newest = DOORS.map(|door| newest(&program, &rules, door));
    for name in names {
        for args in arguments(&rules, name) {
            for (at, door) in DOORS.into_iter().enumerate() {
                if let Some(found) = program.answer(door, name, args) {
                    let plain = plainly(seccomp, &rules, door, name, args).unwrap_or_else(|| {
                        let default = answer(seccomp.default_action(), seccomp.default_errno_ret());
                        let is_newer = program.number(door, name) > newest[at];
                        if is_newer { answer_to_newer(default) } else { default }
                    });
                    assert_eq!(found, plain, "{name}{args:x?} by {door}");
                }
            }
        }
    }
    // Numbers and architectures that nobody has.
    for (audit, number) in [(0xc000_003e, 9999), (0xc000_003e, 0x4000_ffff), (0xc000_003e, u32::MAX)] {
        program.answer_to(audit, number, [0; 6]);
    }
    assert_eq!(program.answer_to(0x1234_5678, 0, [0; 6]), KILL_PROCESS);
}

/// Values around those that the rules of `name` compare with.
fn arguments(rules: &[&LinuxSyscall], name: &str) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [u64::MAX; 6]];
    let of_name = rules
        .iter()
        .filter(|rule| rule.names().iter().any(|known| known == name));
    for arg in of_name.flat_map(|rule| rule.args().iter().flatten()).take(MOST) {
        let two = arg.value_two().unwrap_or(0);
        let value = arg.value();
        for around in [
            value,
            value.wrapping_add(1),
            value.wrapping_sub(1),
            value ^ (1 << 32),
            two,
            !value | two,
        ] {
            let mut args = all[all.len() / 2];
            args[arg.index() % 6] = around;
            all.push(args);
        }
    }
    all
}

/// The highest number of a call that the profile names; with none, no call is newer.
fn newest(program: &Program, rules: &[&LinuxSyscall], door: Arch) -> Option<u32> {
    let names = rules.iter().flat_map(|rule| rule.names());
    names
        .filter_map(|name| program.number(door, name))
        .max()
        .or(Some(u32::MAX))
}

/// Calls above every listed one do not exist for the profile, unless it allows what it does
/// not list.
fn answer_to_newer(default: u32) -> u32 {
    const ENOSYS: u32 = 38;
    match default & 0xffff_0000 {
        0x7fff_0000 | 0x7ffc_0000 | 0x7ff0_0000 => default,
        _ => 0x0005_0000 | ENOSYS,
    }
}

/// runtime-spec, config-linux.md, "Seccomp": conditions before none, strict before lax.
/// `None` where no rule answers.
fn plainly(seccomp: &LinuxSeccomp, rules: &[&LinuxSyscall], door: Arch, name: &str, args: [u64; 6]) -> Option<u32> {
    let listed = door == Arch::ScmpArchX86_64 || seccomp.architectures().iter().flatten().any(|arch| *arch == door);
    if !listed {
        return Some(KILL_PROCESS);
    }
    let of_name = rules
        .iter()
        .filter(|rule| rule.names().iter().any(|known| known == name));
    let (mut conditional, mut plain) = (Vec::new(), Vec::new());
    let mut is_named = false;
    for rule in of_name {
        is_named = true;
        let answer = answer(rule.action(), rule.errno_ret());
        let given = rule.args().as_deref().unwrap_or_default();
        let fits = |arg: &LinuxSeccompArg| fits(arg, args);
        let repeats = given
            .iter()
            .enumerate()
            .any(|(at, arg)| given[..at].iter().any(|one| one.index() == arg.index()));
        if given.is_empty() {
            plain.push(answer);
        } else if (repeats && given.iter().any(fits)) || (!repeats && given.iter().all(fits)) {
            conditional.push(answer);
        }
    }
    let strictest = |answers: Vec<u32>| {
        answers
            .into_iter()
            .min_by_key(|answer| (answer & 0xffff_0000).cast_signed())
    };
    if !is_named {
        return None;
    }
    let default = answer(seccomp.default_action(), seccomp.default_errno_ret());
    Some(strictest(conditional).or_else(|| strictest(plain)).unwrap_or(default))
}

fn fits(arg: &LinuxSeccompArg, args: [u64; 6]) -> bool {
    let (found, value) = (args[arg.index()], arg.value());
    match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => found == value,
        LinuxSeccompOperator::ScmpCmpNe => found != value,
        LinuxSeccompOperator::ScmpCmpLt => found < value,
        LinuxSeccompOperator::ScmpCmpLe => found <= value,
        LinuxSeccompOperator::ScmpCmpGe => found >= value,
        LinuxSeccompOperator::ScmpCmpGt => found > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => found & value == arg.value_two().unwrap_or(0),
    }
}

/// linux/seccomp.h
fn answer(action: LinuxSeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1) & 0xffff;
    match action {
        LinuxSeccompAction::ScmpActKillProcess => KILL_PROCESS,
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => 0,
        LinuxSeccompAction::ScmpActTrap => 0x0003_0000,
        LinuxSeccompAction::ScmpActErrno => 0x0005_0000 | data,
        LinuxSeccompAction::ScmpActNotify => 0x7fc0_0000,
        LinuxSeccompAction::ScmpActTrace => 0x7ff0_0000 | data,
        LinuxSeccompAction::ScmpActLog => 0x7ffc_0000,
        LinuxSeccompAction::ScmpActAllow => 0x7fff_0000,
    }
}
